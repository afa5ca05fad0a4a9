"""The doors by name."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz.doors import arrivals, bodies, envelope, files, messages, pictures, replies, requests, tensors
from tests.fuzz.doors.door import Door

DOORS: dict[str, Callable[[Path], Door]] = {  # each may use a folder
    "envelope": envelope.door,
    "tensors": tensors.door,
    "messages": messages.door,
    "files": files.door,
    "pictures": pictures.door,
    "bodies": bodies.door,
    "arrivals": arrivals.door,
    "requests": requests.door,
    "replies": replies.door,
}
