"""Names that are paths: nothing outside the data directory is read or written, whatever a name says."""

import json
from urllib.parse import unquote

import pytest

from tests.harm.service import Target

NAMES = {
    "up": "..",
    "up and over": "../secret",
    "twice up": "../../outside/secret",
    "encoded dots": "%2e%2e%2fsecret",
    "encoded slash": "..%2fsecret",
    "twice encoded": "%252e%252e%252fsecret",
    "backslash": "..%5csecret",
    "thrice encoded": "%25252e%25252e%25252f",
    "null": "m%00.safetensors",
    "null and up": "..%00/secret",
    "absolute": "%2fetc%2fpasswd",
    "windows": "c:%5cwindows",
    "unc": "%5c%5chost%5cshare",
    "overlong utf-8": "%c0%ae%c0%ae%c0%af",
    "fullwidth dots": "%ef%bc%8e%ef%bc%8e",
    "two-dot leader": "%e2%80%a5",
    "division slash": "..%e2%88%95secret",
    "broken utf-8": "%ff%fe",
    "a dot": ".",
    "hidden": ".secret",
    "trailing dots": "m..",
    "with a suffix": "m.safetensors",
    "a lock": "m.lock",
    "the catalog": "catalog.sqlite",
    "a semicolon": "m;a=b",
    "a query": "m%3fa",
    "a fragment": "m%23a",
    "a space": "m%20",
    "a tab": "m%09",
    "a newline": "m%0a",
    "carriage return": "m%0d%0aX-Evil:%201",
    "a star": "*",
    "a tilde": "~root",
    "a variable": "$HOME",
    "a template": "%7b%7b7*7%7d%7d",
    "SQL": "m'%20OR%20'1'='1",
    "upper case": "M",
    "too long": "a" * 65,
    "much too long": "a" * 3000,
    "dash first": "-m",
    "a file URL": "file:%2f%2f%2fetc%2fpasswd",
    "a right-to-left mark": "m%e2%80%ae",
    "an emoji": "%f0%9f%90%b1",
    "a device": "%2fproc%2fself%2fenviron",
}
SPEC = json.dumps({"architecture": {"input": [1, 4, 4], "layers": [{"type": "flatten"}]}}).encode()
VERSION = b'{"version": "1"}'
PLACES: list[tuple[str, str, bytes | None]] = [
    ("GET", "/v2/models/{}", None),
    ("PUT", "/v2/models/{}", SPEC),
    ("DELETE", "/v2/models/{}", None),
    ("POST", "/v2/models/{}/infer", b"{}"),
    ("POST", "/v2/models/{}/train", b"{}"),
    ("GET", "/v2/models/{}/weights", None),
    ("PUT", "/v2/models/{}/weights", b""),
    ("GET", "/v2/models/{}/versions", None),
    ("POST", "/v2/models/{}/fit", b"{}"),
    ("GET", "/v2/models/m/versions/{}", None),
    ("GET", "/v2/models/m/versions/{}/weights", None),
    ("POST", "/v2/models/m/versions/{}/infer", b"{}"),
    ("PUT", "/v2/models/m/aliases/{}", VERSION),
    ("DELETE", "/v2/models/m/aliases/{}", None),
    ("GET", "/v2/datasets/{}", None),
    ("PUT", "/v2/datasets/{}", b""),
    ("DELETE", "/v2/datasets/{}", None),
    ("GET", "/v2/jobs/{}", None),
    ("GET", "/v2/jobs/{}/events", None),
    ("POST", "/v2/jobs/{}/cancel", None),
    ("POST", "/v2/repository/models/{}/load", None),
    ("POST", "/v2/repository/models/{}/unload", None),
    ("GET", "/{}", None),
    ("GET", "/v2/{}", None),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_path(attacked: Target, name: str) -> None:
    """Everywhere where a name may be: 4xx."""
    for method, place, body in PLACES:
        if name == "a dot" and place.format(".").endswith("/."):
            continue
        answer = attacked.ask(method, place.format(NAMES[name]), body)
        attacked.check_refused(answer, sent=unquote(NAMES[name]))


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "..\\secret", "m\0", "", "a" * 65, "a" * 100_000, "..", "A"]
)
def test_a_name_in_a_body_is_no_path_either(attacked: Target, name: str) -> None:
    """A version for rollback and for an alias, a dataset for a job."""
    version = json.dumps({"version": name}).encode()
    attacked.check_refused(attacked.ask("POST", "/v2/models/m/rollback", version))
    attacked.check_refused(attacked.ask("PUT", "/v2/models/m/aliases/a", version))
    attacked.check_refused(attacked.ask("POST", "/v2/models/m/fit", json.dumps({"dataset": name}).encode()), sent=name)


@pytest.mark.parametrize("where", ["/v2/models/m/../../../secret", "/v2//models", "/./v2", "/v2/%2e%2e/secret"])
def test_a_path_is_taken_as_it_is(attacked: Target, where: str) -> None:
    """Nothing is tidied, so nothing can be tidied into something else."""
    attacked.check_refused(attacked.ask("GET", where))
