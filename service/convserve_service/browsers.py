"""What pages of other sites may not do with a service that is open: a browser carries their requests to loopback too.

A page may send a POST anywhere, and a name of its own may lead to 127.0.0.1 (DNS rebinding). Both are told by headers
that a page cannot choose. Source: Fetch Standard, the Origin header.
"""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from convserve_service.errors import Forbidden


def check(environ: Mapping[str, Any]) -> None:
    """Forbidden where a page of another origin asks, or one for the service under a name that is not local."""
    host = environ.get("HTTP_HOST", "")
    if host and not local(host):
        raise Forbidden(
            "without API keys this service answers as localhost or under an IP address only; make a key with"
            " `convserve keys create`, or start it with --insecure"
        )
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin.partition("://")[2] != host:
        raise Forbidden("a page of another site may not use a service without API keys; make one and send it")


@lru_cache(maxsize=256)
def local(host: str) -> bool:
    """Whether a Host header names this machine in a way that no foreign name server can."""
    name = host.rpartition("]")[0] or host.rpartition(":")[0] or host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.lower() in ("localhost", "localhost.")
    return True
