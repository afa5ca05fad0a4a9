"""Paths of the wire as rules of Flask."""

from collections.abc import Callable

from flask import Flask, Response

from convserve_wire.paths import versioned

View = Callable[..., Response]


def add(app: Flask, method: str, path: str, view: View, *, versions: bool = False) -> None:
    """Route a path; with `versions`, also the path of one version, passed as `version`."""
    for rule in (path, versioned(path)) if versions else (path,):
        name = f"{method} {rule}"
        flask_rule = rule.replace("{", "<").replace("}", ">")
        app.add_url_rule(flask_rule, _endpoint(name), view, methods=[method], strict_slashes=False)


def _endpoint(name: str) -> str:
    return name.replace(".", "_")
