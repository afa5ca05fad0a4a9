"""What a client program found, as one JSON object on standard output. Needs NumPy alone: every client brings it."""

import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

ADDRESS, MODEL = sys.argv[1:3]
X = np.array(json.loads(sys.argv[3]), np.float32)


def tensor(array: Any) -> dict[str, Any]:
    """An array as JSON carries it."""
    data = [value.decode() if isinstance(value, bytes) else value for value in array.reshape(-1).tolist()]
    return {"shape": list(array.shape), "data": data}


async def settled(value: Any) -> Any:
    """What a client gives at once, or what its coroutine gives."""
    return await value if inspect.isawaitable(value) else value


async def report(
    calls: dict[str, Callable[[], Any]], raised: type[Exception], told: Callable[[Any], dict[str, Any]]
) -> None:
    """Make the calls one after the other and print what they gave; an error of the client as {"raised": ...}."""
    found: dict[str, Any] = {}
    for name, call in calls.items():
        try:
            found[name] = await settled(call())
        except raised as error:
            found[name] = {"raised": told(error)}
    print(json.dumps(found))  # noqa: T201
