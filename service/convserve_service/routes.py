"""The operations of the service as routes of Flask: what is not declared cannot be reached."""

from collections.abc import Callable

from flask import Flask, Response

from convserve_service.operations import Operation
from convserve_wire.paths import versioned

View = Callable[..., Response]


class Routes:
    """`operations` are those that were added, by name, which is also the name of Flask's endpoint."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.operations: dict[str, Operation] = {}

    def add(self, operation: Operation, view: View) -> None:
        """Route it; with `versions`, also the path of one version, passed as `version`."""
        self.operations[operation.name] = operation
        path = operation.path
        for rule in (path, versioned(path)) if operation.versions else (path,):
            self._app.add_url_rule(
                rule.replace("{", "<").replace("}", ">"), operation.name, view,
                methods=[operation.method], strict_slashes=False,
            )  # fmt: skip
