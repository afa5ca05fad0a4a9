"""The README and docs are promises: their scripts and commands run as they stand, and all that there is, is told."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convserve_client import Client
from convserve_client.pictures import PNG, png
from convserve_client.samples import digits, seven
from convserve_model import LAYERS, LOSSES, METHODS, OPTIMIZERS, SCHEDULES
from convserve_service.app import create_app
from convserve_service.settings import Settings
from tests.pages import ADDRESS, DOCS, README, block, blocks
from tests.servers import ROOT, environment, serving
from tests.service.calls import call

MIB = 1 << 20


def here(text: str, server: str, name: str) -> str:
    """The text with this test's server and a model name of its own."""
    return text.replace(ADDRESS, server).replace("my-digits", name).replace("models/tiny", f"models/{name}")


def test_the_client_scripts_run(server: str, name: str, tmp_path: Path) -> None:
    """Word by word, that of the README and what goes on with its model: explanations, and training as a job."""
    script = "".join([*blocks("python", README), *blocks("python", DOCS["client"])])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", here(script, server, name)],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)
    accuracy = float(re.search(r"accuracy ([\d.]+)%", done.stdout)[1])  # type: ignore[index]
    assert accuracy > 90
    assert "(1, 1, 28, 28) (6, 1, 5, 5)" in done.stdout
    assert "625 625" in done.stdout


def test_the_curl_commands_run(server: str, name: str, tmp_path: Path) -> None:
    """Each answers with JSON that is no error, or with a PNG; the repeated step is applied once."""
    (tmp_path / "clients").symlink_to(ROOT / "clients")
    picture = here(block("sh", "/predict"), server, name).replace("models/digits", f"models/{name}-d")
    tiny = here(block("sh", "models/tiny"), server, name)
    spec = json.dumps({"architecture": {"input": [1, 28, 28], "layers": [{"type": "flatten"}]}})
    subprocess.run(["curl", "-sf", "-X", "PUT", f"{server}/v2/models/{name}-d", "-d", spec], check=True, timeout=30)
    drawing = here(block("sh", "-o map.png"), server, name).replace("models/digits", f"models/{name}-d")
    subprocess.run(["sh", "-c", drawing], cwd=tmp_path, check=True, timeout=30)
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)
    for command in [picture, *tiny.split("\n\n"), tiny.split("\n\n")[1]]:
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        reply = json.loads(done.stdout)
        assert "error" not in reply, reply
    versions = subprocess.run(
        ["curl", "-s", f"{server}/v2/models/{name}/versions"], capture_output=True, text=True, timeout=30
    )
    assert [row["version"] for row in json.loads(versions.stdout)["versions"]] == ["2", "1"]


def test_the_command_line_runs(server: str, name: str, tmp_path: Path) -> None:
    """Every command but serve, which all tests use."""
    (tmp_path / "digit.png").write_bytes(png(digits().test_images[0, 0]))
    commands = block("sh", "convserve serve").replace(" net", f" {name}").splitlines()
    assert commands[0].startswith("convserve serve")
    for command in commands[1:]:
        line = command.replace("convserve", f"'{sys.executable}' -W error -m convserve_service", 1)
        env = {**environment(), "CONVSERVE_URL": server}
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (command, done.stderr)
        assert name in done.stdout or "version" in done.stdout or "digit.png" in done.stdout


def test_the_commands_on_a_data_directory_run(tmp_path: Path) -> None:
    """On a model that a job made, beside its service."""
    with serving(tmp_path / "data") as running, Client(running.url) as client:
        data = digits()
        model = client.create("net", "lenet5")
        model.fit(data.train_images[:200], data.train_labels[:200], progress=False)
        for command in block("sh", "convserve verify").splitlines():
            line = command.replace("convserve ", f"'{sys.executable}' -W error -m convserve_service ", 1)
            line = line.replace("convserve-data", str(tmp_path / "data"))
            done = subprocess.run(["sh", "-c", line], env=environment(), capture_output=True, text=True, timeout=60)
            assert done.returncode == ("WORRY" in done.stdout), (command, done.stdout, done.stderr)


def test_the_commands_for_keys_run(tmp_path: Path) -> None:
    """One after the other: the key that is left is that of the lab."""
    for command in block("sh", "keys create ci").splitlines():
        line = command.replace("convserve ", f"'{sys.executable}' -W error -m convserve_service ", 1)
        line = line.replace("convserve-data", str(tmp_path / "data"))
        done = subprocess.run(["sh", "-c", line], env=environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stderr)
    assert "1 left" in done.stdout


def test_every_route_is_in_the_readme(tmp_path: Path) -> None:
    """And the README names no other."""
    app = create_app(Settings(data_dir=tmp_path, threads=1))
    routes = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(.).*?>", r"{\1}", rule.rule)
        routes |= {f"{method} {path}" for method in rule.methods or () if method not in ("HEAD", "OPTIONS")}
    promised = set()
    for text in re.findall(r"`((?:GET|PUT|POST|DELETE) /[^`]*)`", README):
        promised |= {text.replace("[/versions/{v}]", ""), text.replace("[/versions/{v}]", "/versions/{v}")}
    assert promised == routes


BYTES = re.compile("max_(body|reply|memory|store|catalog)|client_rate")


def told(name: str, value: object) -> str:
    """A setting's default as the README tells it."""
    if value is None or isinstance(value, bool):
        return "none" if value is None else "yes" if value else "no"
    if BYTES.fullmatch(name) and isinstance(value, (int, float)):
        return f"{value / MIB:g} MiB" if value >= MIB else f"{value / 1024:g} KiB"
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_is_told() -> None:
    """With its default, and no other."""
    rows = dict(re.findall(r"^\| `CONVSERVE_(\w+)` \| (.*?) \|", DOCS["operating"], re.M))
    defaults = {name: told(name, field.default) for name, field in Settings.model_fields.items()}
    assert {name.lower(): default for name, default in rows.items()} == {**defaults, "threads": "the cores"}


@pytest.mark.parametrize("name", [*LAYERS, *LOSSES, *OPTIMIZERS, *SCHEDULES, *METHODS])
def test_every_building_block_is_told(name: str) -> None:
    """Layers, losses, optimizers, schedules and methods of explanation by their wire names."""
    assert f"`{name}`" in DOCS["http" if name in METHODS else "networks"]


def test_the_network_can_be_made(server: str, name: str) -> None:
    """That of the page on networks, with all that may be said of a model."""
    (text,) = blocks("json", DOCS["networks"])
    made = call("PUT", f"{server}/v2/models/{name}", json.loads(text))
    assert made.status_code == 201, made.text


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Those to files of this checkout."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).is_file(), link


def test_a_picture_comes_with_the_client() -> None:
    """A digit of those to test with."""
    data = digits()
    assert seven().read_bytes() == png(data.test_images[data.test_labels.tolist().index(7)])


def test_the_demo_runs() -> None:
    """One epoch: it learns, draws, differentiates, says how accurate it is and stops by itself."""
    command = [sys.executable, "-W", "error", "-m", "convserve_service", "demo", "--epochs", "1"]
    done = subprocess.run(command, env={**environment(), "NO_COLOR": "1"}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = re.search(r"test accuracy: (\d\d\.\d\d) %", done.stdout)
    assert found is not None
    assert float(found[1]) > 80
    assert "images/s" in done.stdout
    assert "stopped cleanly" in done.stdout
    assert "training: 100%" in done.stderr
    folder = re.search(r"data in (\S+)", done.stdout)
    assert folder is not None
    assert not os.path.exists(folder[1])
