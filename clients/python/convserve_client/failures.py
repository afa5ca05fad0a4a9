"""What goes wrong between client and service, as the client's errors."""

from typing import Any

import orjson
import requests
import urllib3

from convserve_client.errors import ConnectionFailed, RequestError, RequestTimeout, of_status
from convserve_client.retries import seconds
from convserve_wire.numbers import whole


def unreachable(url: str, error: Exception) -> ConnectionFailed | RequestTimeout:
    """No reply, or half of one."""
    inner = error.args[0] if error.args else None  # a body that stops half-way arrives as a ConnectionError of this
    if isinstance(error, requests.ReadTimeout) or isinstance(inner, urllib3.exceptions.ReadTimeoutError):
        return RequestTimeout(
            f"the service at {url} did not answer in time; send less at once, or allow a longer timeout"
        )
    return ConnectionFailed(f"no service answers at {url}; is it running? `convserve serve` starts one")


def refusal(response: requests.Response) -> RequestError:
    """A reply of 400 or more, from the service or from whoever answers in its place."""
    try:
        members = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        members = None
    message, where = _text(members, "error"), _text(members, "where")
    message = message or f"the server answered {response.status_code} {response.reason}"
    return of_status(response.status_code)(
        message + (f" (at {where})" if where and where not in message else ""),
        status=response.status_code,
        code=_text(members, "code") or "unknown",
        where=where,
        request_id=response.headers.get("X-Request-Id"),
        current_version=whole(response.headers.get("Convserve-Model-Version", "")),
        retry_after=seconds(response.headers.get("Retry-After")),
    )


def _text(members: Any, name: str) -> str | None:
    value = members.get(name) if isinstance(members, dict) else None
    return value if isinstance(value, str) else None
