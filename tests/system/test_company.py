"""A request's answer does not depend on its company: nothing is batched across requests."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from tests.servers import serving
from tests.service.calls import call, tensor

ROWS, ROUNDS = 12, 30
WIDE = [{"type": "flatten"}, *({"type": "linear", "out_features": 256} for _ in range(3))]


def asking(values: list[Any], shape: tuple[int, ...] = (1, 1, 4, 4)) -> dict[str, Any]:
    return {"inputs": [tensor("x", values, list(shape), "FP32")]}


GOOD = [asking([(i * k + k) % 13 / 13 for i in range(16)]) for k in range(1, ROWS + 1)]
BAD = [  # with the status that each gets
    (asking([3e38] * 16), 422),  # overflows in its first layer
    (asking([1.0] * 12, (1, 1, 3, 4)), 400),
    (asking([None] * 16), 400),
    (asking([1.0] * 16 * 500, (500, 1, 4, 4)), 200),  # many rows beside one
]


def test_a_bad_request_spoils_nobodys_answer(tmp_path: Path) -> None:
    """Each image's answer has the same bytes alone, beside others, and beside requests that are wrong or overflow."""
    with serving(tmp_path, "--workers", "2") as server, ThreadPoolExecutor(16) as pool:
        url = f"{server.url}/v2/models/m"
        call("PUT", url, {"architecture": {"input": [1, 4, 4], "layers": WIDE}}).raise_for_status()
        alone = [call("POST", f"{url}/infer", body).content for body in GOOD]
        assert len(set(alone)) == ROWS
        work = [(body, 200, answer) for body, answer in zip(GOOD, alone, strict=True)]
        work = ROUNDS * [*work, *((body, status, None) for body, status in BAD)]
        Random(0).shuffle(work)
        replies = pool.map(lambda asked: call("POST", f"{url}/infer", asked[0]), work)
        for (_, status, answer), reply in zip(work, replies, strict=True):
            assert reply.status_code == status, reply.text[:200]
            assert answer in (None, reply.content)
