"""What a service imports and makes before its first prediction, and what it leaves to the first that needs it."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

from convserve_service.app import create_app
from convserve_service.memory import keep_made
from convserve_service.settings import Settings
from tests.servers import environment
from tests.service.calls import tensor
from tests.service.specs import SIMPLE_CNN

MODEL = "/v2/models/m"
X = {"inputs": [tensor("x", [0.5] * 16, [1, 1, 4, 4], "FP32")]}
LATE = ("PIL", "numpy.random", "structlog", "prometheus_client", "convserve_service.openapi", "flask_swagger_ui")
PREDICTS = f"""
import json, sys
from pathlib import Path
from convserve_service.app import create_app
from convserve_service.settings import Settings
client = create_app(Settings(data_dir=Path(sys.argv[1]), threads=1)).test_client()
assert client.post("{MODEL}/infer", json={X}).status_code == 200
print(json.dumps([name for name in {LATE} if name in sys.modules]))
from convserve_wire import messages
known = {{name: getattr(kind, "__pydantic_complete__", None) for name, kind in vars(messages).items()}}
print(json.dumps([name for name in ("InferRequest", "TrainRequest", "ExplainRequest", "FitRequest") if known[name]]))
"""


def said(code: str, *arguments: str) -> list[str]:
    """The lines that a Python of its own prints."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_prediction_needs_only_what_it_uses(tmp_path: Path) -> None:
    """No pictures, random numbers, logs, metrics or pages are imported for it, and no other validator is built."""
    client = create_app(Settings(data_dir=tmp_path, threads=1)).test_client()
    assert client.put(MODEL, json=SIMPLE_CNN).status_code == 201
    imported, built = map(json.loads, said(PREDICTS, str(tmp_path)))
    assert imported == []
    assert built == ["InferRequest"]


def test_workers_import_nothing_for_themselves() -> None:
    """What forks them has imported their application: they share it, and one that takes a dead one's place is there."""
    assert said("import sys, convserve_service.listener; print('convserve_service.app' in sys.modules)") == ["True"]


def test_no_route_builds_a_url(tmp_path: Path) -> None:
    """Nothing that would is compiled."""
    app = create_app(Settings(data_dir=tmp_path, threads=1))
    for rule in app.url_map.iter_rules():
        with pytest.raises(NotImplementedError, match="no URL"):
            rule.build({})


def test_what_is_made_is_not_searched_for_garbage() -> None:
    """Neither while it is made nor later."""
    before = gc.get_freeze_count()
    with keep_made():
        assert not gc.isenabled()
        made = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)
    gc.unfreeze()
