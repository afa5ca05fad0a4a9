"""Every file of the page, by the name that a browser asks for. There are no others."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

from convserve_service.store.blobs import digest_of

OURS, WHEEL = "convserve_service.docs", "flask_swagger_ui"
START = "start.js"


class Asset(NamedTuple):
    media_type: str
    package: str
    path: str


PAGE = Asset("text/html", OURS, "page/index.html")
FILES = {
    START: Asset("text/javascript", OURS, "page/start.js"),
    "page.css": Asset("text/css", OURS, "page/page.css"),
    "icon.svg": Asset("image/svg+xml", OURS, "page/icon.svg"),
    "swagger-ui.css": Asset("text/css", WHEEL, "dist/swagger-ui.css"),
    "swagger-ui-bundle.js": Asset("text/javascript", WHEEL, "dist/swagger-ui-bundle.js"),
}
POLICY = (  # Content Security Policy, level 3: everything from here, nothing inline, nothing framed
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@cache
def load(asset: Asset) -> tuple[bytes, str]:
    """(bytes, digest); read once by each worker that is asked."""
    data = files(asset.package).joinpath(asset.path).read_bytes()
    return data, digest_of([data])
