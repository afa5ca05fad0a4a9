"""What explain takes and answers: an envelope or a picture, an explanation as tensors."""

from collections.abc import Mapping, Sequence

import numpy as np

from convserve_model.explain import Method
from convserve_service import images, operands, verbs
from convserve_service.body import Body
from convserve_service.errors import LimitError, RequestError
from convserve_service.live import Live
from convserve_wire.envelope import Request, decode_request
from convserve_wire.messages import ExplainQuery, ExplainRequest, parse_query
from convserve_wire.tensors import Array, Tensor

OPTIONAL = ("target",)  # outputs that are there when they are asked for


def decode(live: Live, body: Body, query: Mapping[str, str], max_pixels: int) -> Request[ExplainRequest]:
    """The request in an envelope; or of a picture, as its query says, what the same in an envelope would be."""
    if body.media_type not in verbs.PICTURE:
        return decode_request(ExplainRequest, body.data, body.header_length)
    asked = parse_query(ExplainQuery, query)
    tensors = {"x": images.picture(live, body.data, max_pixels)[None]}
    if asked.target is not None:
        tensors["target"] = np.array([asked.target])
    return Request(ExplainRequest(inputs=(), method=asked.method, **asked.options()), tensors)


def rows(live: Live, x: Array, method: Method, most: int) -> Array:
    """x as the network takes it; LimitError where all rows together take too many passes through it."""
    found: Array = operands.rows(live, x, most)
    if len(x) * method.passes > most:
        raise LimitError(
            f"x has {len(x)} rows that take {method.passes} passes each, but one request may have {most} in all; send"
            " fewer rows, or ask for fewer steps or samples",
            "x",
        )
    return found


def outputs(found: Mapping[str, Array], asked: Sequence[str] | None) -> list[Tensor]:
    """Those asked for, by default all but OPTIONAL."""
    names = [name for name in found if name not in OPTIONAL] if asked is None else asked
    for name in names:
        if name not in found:
            raise RequestError(f"there is no output {name[:80]!r}; this method gives {', '.join(found)}", "outputs")
    return [Tensor(name, found[name]) for name in names]
