"""What the service says of its own verbs: OpenAPI, and a page that shows it. Made when somebody asks."""

from functools import cache

import orjson
from flask import Response, request
from werkzeug.exceptions import NotFound

from convserve_service import replies, verbs
from convserve_service.docs import assets
from convserve_service.docs.assets import Asset
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.blobs import digest_of
from convserve_wire import paths
from convserve_wire.replies import V1Alive

REVALIDATE, A_DAY = "no-cache", "max-age=86400"


def register(routes: Routes, service: Service) -> None:
    @cache
    def described() -> tuple[bytes, str]:
        from convserve_service.openapi import document

        text = orjson.dumps(document(routes.operations.values()))
        return text, digest_of([text])

    def openapi() -> Response:
        return _send(*described(), "application/json", REVALIDATE)

    def docs() -> Response:
        return _file(assets.PAGE, REVALIDATE)

    def asset(asset: str) -> Response:
        if asset not in assets.FILES:
            raise NotFound
        return _file(assets.FILES[asset], A_DAY)

    def root() -> Response:
        if replies.wanted(request, "text/html"):
            return Response(status=302, headers={"Location": paths.DOCS})
        return replies.json(V1Alive(status="alive"))

    routes.add(verbs.ROOT, root)
    routes.add(verbs.OPENAPI, openapi)
    routes.add(verbs.DOCS, docs)
    routes.add(verbs.ASSET, asset)


def _file(asset: Asset, cached: str) -> Response:
    return _send(*assets.load(asset), asset.media_type, cached)


def _send(body: bytes, digest: str, media_type: str, cached: str) -> Response:
    response = replies.file(request, body, digest, media_type)
    response.headers.update({**assets.HEADERS, "Cache-Control": cached})
    return response
