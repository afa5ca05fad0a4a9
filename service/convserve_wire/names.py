"""Names of models, datasets and aliases."""

import re

from convserve_wire.errors import WireError

TAKEN = {"stats"}
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def check_name(name: str, what: str = "model") -> str:
    """The name, or a WireError."""
    if what == "model" and name in TAKEN:
        raise WireError(f"the name {name!r} means all models in GET /v2/models/{name}; take another name", what)
    if not NAME.fullmatch(name):
        raise WireError(
            f"the {what} name {name[:80]!r} must be 1 to 64 of a-z, 0-9, '_' and '-', the first a letter or digit", what
        )
    return name


def check_alias(name: str) -> str:
    """A name with at least one letter, so that it is never a version number."""
    if check_name(name, "alias").isdigit():
        raise WireError(
            f"the alias {name!r} is a number; an alias needs at least one letter, such as 'production'", "alias"
        )
    return name
