"""Flask as this service needs it: one host, no sessions, no coroutines, nothing on the disk."""

import io
from functools import lru_cache
from typing import IO, Any, NoReturn

from flask import Flask, Request, Response
from flask.ctx import RequestContext
from flask.sessions import NullSession
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.utils import cached_property

NO_SESSION = NullSession()
MOST_ROUTES = 512  # addresses whose routes are remembered
LONGEST = 256  # characters of such an address


class InMemoryRequest(Request):
    """Parts of a multipart body stay in memory, which the body's limit bounds: the root may be read-only."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body is there already, and whole: what is left to guard is its size."""
        body: io.BytesIO = self.environ["wsgi.input"]
        if body.getbuffer().nbytes > (self.max_content_length or 0):
            raise RequestEntityTooLarge
        return body

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO()


class Route(Rule):
    """A rule that finds requests and builds no URL: to compile what builds one is most of what a rule costs."""

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        return unbuilt


def unbuilt(*args: Any, **values: Any) -> NoReturn:
    """In place of Werkzeug's function, for each rule a new one, that builds its URL."""
    raise NotImplementedError("this service builds no URL from its routes")


class Adapter(MapAdapter):
    """Of one request: what `routed` knows of its method and path is not looked for again."""

    def __init__(self, routes: Map, routed: Any, path: str, method: str) -> None:
        super().__init__(routes, "", "/", None, "http", path, method)
        self._routed = routed

    def match(self, *args: Any, **options: Any) -> Any:
        """As Flask asks: the rule and its arguments; NotFound and MethodNotAllowed are found out anew each time."""
        if options != {"return_rule": True} or len(self.path_info) > LONGEST:
            return super().match(*args, **options)
        return self._routed(self.path_info, self.default_method)


class Application(Flask):
    """Routes depend on method and path alone, and no URL is ever built: what Host says is not even read."""

    request_class = InMemoryRequest
    url_rule_class = Route

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)

        @lru_cache(MOST_ROUTES)
        def routed(path: str, method: str) -> Any:
            return self.url_map.bind("", path_info=path, default_method=method).match(return_rule=True)

        self._routed = routed

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return None
        return Adapter(self.url_map, self._routed, request.path, request.method)

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        context = RequestContext(self, environ, session=NO_SESSION)
        context.request.max_content_length = self.config["MAX_CONTENT_LENGTH"]
        return context

    def preprocess_request(self) -> None:
        """Hooks are the application's, for there are no blueprints, and none of them answers."""
        for hook in self.before_request_funcs[None]:
            hook()

    def process_response(self, response: Response) -> Response:
        for hook in reversed(self.after_request_funcs[None]):
            response = hook(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Nothing is left to do for a request whose reply is made, and nobody listens for its end."""

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Nor for its context."""

    def ensure_sync(self, func: Any) -> Any:
        """Every view is a plain function."""
        return func
