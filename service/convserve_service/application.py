"""Flask as this service needs it: one host, no coroutines, nothing on the disk."""

import io
from typing import Any

from flask import Flask, Request
from werkzeug.routing import MapAdapter


class InMemoryRequest(Request):
    """Parts of a multipart body stay in memory, which the body's limit bounds: the root may be read-only."""

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO()


class Application(Flask):
    """Routes depend on method and path alone, and no URL is ever built: what Host says is not even read."""

    request_class = InMemoryRequest

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return None
        return self.url_map.bind("", path_info=request.path, default_method=request.method)

    def ensure_sync(self, func: Any) -> Any:
        """Every view is a plain function."""
        return func
