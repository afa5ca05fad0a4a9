"""The wheel in clean environments, and the Dockerfile's paths and commands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.pages import DOCS
from tests.servers import ROOT, environment, serving

DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVER_ONLY = ("flask", "gunicorn", "PIL", "structlog", "prometheus_client")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return next(out.glob("*.whl"))


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CONVSERVE_"))}


def install(folder: Path, wheel: Path, extra: str) -> str:
    """A new environment with the wheel and an extra, within the pinned versions; its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = str(folder / "bin" / "python")
    pins = ["--constraint", str(ROOT / "requirements.txt")]
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins, f"{wheel}[{extra}]"],
        check=True, timeout=300, env=clean(),
    )  # fmt: skip
    return python


def test_the_wheel_holds_the_four_packages_the_digits_and_the_page(wheel: Path) -> None:
    """And nothing else at the top."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"convserve_model", "convserve_wire", "convserve_service", "convserve_client"}
    assert {f"convserve_client/data/{name}" for name in ("mnist-10k.npz", "seven.png", "README.md")} <= set(names)
    assert {f"convserve_service/docs/page/{name}" for name in ("index.html", "start.js")} <= set(names)


@pytest.mark.xdist_group("wheel")
def test_the_client_needs_nothing_of_the_server(wheel: Path, tmp_path: Path, server: str) -> None:
    """In an environment with the client's extra alone it imports, and drives a real service."""
    python = install(tmp_path / "client", wheel, "client")
    code = (
        "import sys, importlib.util, convserve_client; from convserve_client import samples;"
        f"print([n for n in {SERVER_ONLY!r} if importlib.util.find_spec(n)],"
        f" convserve_client.Client({server!r}).ready(), len(samples.digits().test_labels))"
    )
    command = [python, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean())
    assert done.stdout.strip() == "[] True 2000", done.stderr


@pytest.mark.xdist_group("wheel")
def test_the_wheel_serves(wheel: Path, tmp_path: Path) -> None:
    """With the server's extra the installed command answers."""
    python = install(tmp_path / "server", wheel, "server")
    command = [str(Path(python).parent / "convserve"), "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean(), start_new_session=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        done = subprocess.run(["curl", "-s", f"{found[0]}/v2"], capture_output=True, text=True, timeout=10)
        assert json.loads(done.stdout)["name"] == "convserve"
        style = subprocess.run(["curl", "-sf", f"{found[0]}/docs/swagger-ui.css"], capture_output=True, timeout=10)
        assert style.returncode == 0
    finally:
        process.terminate()
        assert process.wait(15) == 0
        process.stdout.close()  # type: ignore[union-attr]


def test_every_path_that_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    """COPY from the checkout; .dockerignore lets each through."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source


def test_the_dockerfile_is_hardened() -> None:
    """Two slim stages, a user without rights, a volume, a health check."""
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == ["python:3.12-slim"] * 2
    final = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert "USER convserve" in final
    assert "VOLUME /data" in final
    assert "pip" not in final


def test_the_dockerfiles_start_command_and_health_check_work(tmp_path: Path) -> None:
    """Its CMD serves with its ENV, on a read-only code tree; its HEALTHCHECK passes, and fails when nobody serves."""
    start, health = (json.loads(text) for text in re.findall(r"^\s*CMD (\[.*\])$", DOCKERFILE, re.M)[::-1])
    assert start == ["convserve", "serve"]
    settings = dict(re.findall(r"(CONVSERVE_\w+)=(\S+)", DOCKERFILE))
    assert settings == {"CONVSERVE_HOST": "0.0.0.0", "CONVSERVE_PORT": "8000", "CONVSERVE_DATA_DIR": "/data"}
    with serving(tmp_path / "data") as running:
        check = [sys.executable, *health[1:]]
        check[-1] = check[-1].replace("http://127.0.0.1:8000", running.url)
        subprocess.run(check, check=True, timeout=10, env=environment())
    assert subprocess.run(check, capture_output=True, timeout=10, env=environment(), check=False).returncode != 0


def test_the_images_service_wants_a_key_first(tmp_path: Path) -> None:
    """With its ENV it ends and says what to do; after the command for a key, in the same volume, it would listen."""
    settings = dict(re.findall(r"(CONVSERVE_\w+)=(\S+)", DOCKERFILE)) | {"CONVSERVE_DATA_DIR": str(tmp_path)}
    env = {**environment(), **settings, "CONVSERVE_PORT": "0"}
    start = [sys.executable, "-m", "convserve_service", "serve"]
    refused = subprocess.run(start, env=env, capture_output=True, text=True, timeout=30)
    assert refused.returncode == 1
    assert "keys create" in refused.stderr
    words = re.findall(r"^# Key: .* convserve convserve (.*)$", DOCKERFILE, re.M)
    assert f"convserve convserve {words[0]}" in DOCS["operating"]
    made = subprocess.run(
        [*start[:3], *words[0].split()], env=env, capture_output=True, text=True, timeout=30, check=True
    )
    with serving(tmp_path, "--host", "127.1") as running:  # as public to it as 0.0.0.0
        reply = subprocess.run(
            ["curl", "-s", f"{running.url}/v2", "-H", f"Authorization: Bearer {made.stdout.strip()}"],
            capture_output=True, text=True, timeout=10,
        )  # fmt: skip
        assert json.loads(reply.stdout)["name"] == "convserve"


def docker_runs() -> bool:
    return shutil.which("docker") is not None and not subprocess.run(["docker", "info"], capture_output=True).returncode


@pytest.mark.skipif(not docker_runs(), reason="no Docker runs here")
def test_the_image_builds() -> None:
    """Where there is a Docker."""
    subprocess.run(shlex.split("docker build -q -t convserve-test ."), check=True, cwd=ROOT, timeout=600)
