"""`mlserver infer` over files of requests, and MLServer's own request codecs over plain HTTP."""

import asyncio
import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput
from reporting import ADDRESS, MODEL, X, report, tensor

MLSERVER = str(Path(sys.executable).parent / "mlserver")


def request(array: Any = X, **members: Any) -> InferenceRequest:
    return InferenceRequest(inputs=[NumpyCodec.encode_input("x", array)], **members)


def shown(response: InferenceResponse) -> dict[str, Any]:
    found = {output.name: tensor(NumpyCodec.decode_output(output)) for output in response.outputs}
    return {"outputs": found, "version": response.model_version, "id": response.id}


def sent(body: InferenceRequest) -> dict[str, Any]:
    """Over plain HTTP, with the content types that the codecs put into the parameters."""
    url = f"http://{ADDRESS}/v2/models/{MODEL}/infer"
    with urllib.request.urlopen(urllib.request.Request(url, body.model_dump_json().encode())) as reply:
        return shown(InferenceResponse.model_validate_json(reply.read()))


def batch(rows: list[Any], size: int, *options: str) -> list[Any]:
    """`mlserver infer` on a file with a line for each row, in batches of a size; the lines that it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        lines = [request(row, id=f"row-{at}").model_dump_json() for at, row in enumerate(rows)]
        source.write_text("".join(f"{line}\n" for line in lines))
        command = [MLSERVER, "infer", "--url", ADDRESS, "--model-name", MODEL, "--retries", "1", "--workers", "2"]
        command += ["--input-data-path", str(source), "--output-data-path", str(target), "--batch-size", str(size)]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in target.read_text().splitlines()]


def together(size: int, *options: str) -> dict[str, Any]:
    """The lines for all rows, in order, as if they had been one reply."""
    written = [InferenceResponse.model_validate(line) for line in batch([*X[:, None]], size, *options)]
    written.sort(key=lambda line: line.id or "")
    logits = np.concatenate([NumpyCodec.decode_output(line.outputs[0]) for line in written])
    ids = [line.id for line in written]
    return {"outputs": {"logits": tensor(logits)}, "version": written[0].model_version, "id": ids}


def wrong_shape() -> Any:
    """The error that it writes for a row that does not fit."""
    (line,) = batch([X[:1, :, :3]], 1)
    return {"raised": {"status": 400, "message": line["error"]["msg"]}}


asyncio.run(
    report(
        {
            "json": lambda: sent(request()),
            "intermediate": lambda: sent(request(outputs=[RequestOutput(name="conv")])),
            "id": lambda: sent(request(id="a b/c")),
            "cli": lambda: together(1),
            "cli_batches": lambda: together(2),
            "cli_binary": lambda: together(2, "--binary-data"),
            "wrong_shape": wrong_shape,
        },
        urllib.error.HTTPError,
        lambda error: {"status": error.code, "message": error.read().decode()},
    )
)
