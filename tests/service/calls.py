"""HTTP calls as any client makes them: requests and JSON, nothing of ours."""

import json
import struct
from typing import Any

import requests

TIMEOUT = 30


def tensor(name: str, data: Any, shape: list[int], datatype: str) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def batch(n: int = 2, **options: Any) -> dict[str, Any]:
    """A train or evaluate body of n rows for SimpleCNN."""
    x = tensor("x", [i % 7 / 7 for i in range(16 * n)], [n, 1, 4, 4], "FP32")
    return {"inputs": [x, tensor("y", [i % 2 for i in range(n)], [n], "INT64")], **options}


def call(method: str, url: str, body: Any = None, *, stream: bool = False, **headers: str) -> requests.Response:
    """JSON bodies from dicts and lists, bytes as they are; header names with _ for -."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, url, data=data, headers=sent, timeout=TIMEOUT, stream=stream)


def safetensors(header: Any, data: bytes) -> bytes:
    """A safetensors file with any header, honest or lying."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def versions(server: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("GET", f"{server}/v2/models/{name}/versions").json()["versions"]
    return found
