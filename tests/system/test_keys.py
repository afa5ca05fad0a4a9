"""`convserve keys`, as an operator types it, and a service that waits for the first one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from convserve_client import Client, Unauthenticated
from tests.servers import environment, launch, serving
from tests.system.test_operating import command

KEY = re.compile(r"cs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n")


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    """In a folder that nobody has used; the key alone on stdout, and never again; its rights in the list."""
    where = ("--data-dir", str(tmp_path / "data"))
    made = command("keys", "create", "ci", "--scope", "infer", "--scope", "train", "--rate", "100", "--concurrency",
                   "4", *where)  # fmt: skip
    assert (made.returncode, "not shown again" in made.stderr) == (0, True)
    assert KEY.fullmatch(made.stdout)
    listed = command("keys", "list", *where).stdout
    assert re.match(rf"ci +{made.stdout[:16]}\.\.\.  20\d\d-\S+Z  infer,train  100 a second  4 at once\n$", listed)
    assert made.stdout[16:].strip() not in listed
    taken = command("keys", "create", "ci", "--scope", "infer", *where)
    assert (taken.returncode, "revoke it first" in taken.stderr) == (1, True)
    assert "is revoked, 0 left" in command("keys", "revoke", "ci", *where).stdout
    assert command("keys", "list", *where).stdout == ""
    gone = command("keys", "revoke", "ci", *where)
    assert (gone.returncode, "there is no key" in gone.stderr) == (1, True)


def test_a_key_needs_a_scope_that_there_is(tmp_path: Path) -> None:
    """The error names them; so does the help."""
    for words in (("--scope", "root"), (), ("--scope", "infer", "--rate", "0"), ("--scope", "infer", "--rate", "nan")):
        refused = command("keys", "create", "ci", *words, "--data-dir", str(tmp_path / "data"))
        assert refused.returncode == 2
    refused = command("keys", "create", "ci", "--scope", "root", "--data-dir", str(tmp_path / "data"))
    assert "infer, gradients, train, admin" in refused.stderr
    assert "infer, gradients, train, or admin" in " ".join(command("keys", "create", "--help").stdout.split())
    assert command("keys", "create", "../ci", "--scope", "infer", "--data-dir", str(tmp_path)).returncode == 2
    assert not (tmp_path / "data").exists()


def test_a_public_address_needs_a_key(tmp_path: Path) -> None:
    """Without one the service ends at once, says what to do, and that works."""
    process = launch(tmp_path, "--host", "0.0.0.0", log=subprocess.PIPE)  # type: ignore[arg-type]
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    advice = re.search(r"convserve (keys create) NAME --scope admin --data-dir (\S+)", said)
    assert advice is not None
    assert "--insecure" in said
    key = command(*advice[1].split(), "me", "--scope", "admin", "--data-dir", advice[2]).stdout.strip()
    with serving(tmp_path, "--host", "127.1") as server:
        assert Client(server.url, api_key=key).metadata()["name"] == "convserve"


def test_the_command_line_sends_the_key(tmp_path: Path) -> None:
    """As an option or from the environment; without one it says what is missing."""
    where = ("--data-dir", str(tmp_path))
    key = command("keys", "create", "me", "--scope", "admin", *where).stdout.strip()
    with serving(tmp_path) as server:
        asked = [sys.executable, "-m", "convserve_service", "list", "--url", server.url]
        refused = subprocess.run(asked, env=environment(), capture_output=True, text=True, timeout=30)
        assert (refused.returncode, "needs an API key" in refused.stderr) == (1, True)
        env = {**environment(), "CONVSERVE_API_KEY": key}
        for words, given in (([*asked, "--api-key", key], environment()), (asked, env)):
            subprocess.run(words, env=given, check=True, timeout=30)
        wrong = subprocess.run(
            [*asked, "--api-key", key[:-1] + "!"], env=env, capture_output=True, text=True, timeout=30
        )
        assert wrong.returncode == 1
        assert key[16:-1] not in wrong.stderr


def test_the_client_says_who_it_is_not(tmp_path: Path) -> None:
    """Unauthenticated at once, without repeats."""
    command("keys", "create", "me", "--scope", "admin", "--data-dir", str(tmp_path))
    with serving(tmp_path) as server, Client(server.url) as client:
        assert client.ready()
        with pytest.raises(Unauthenticated, match="convserve keys create"):
            client.models()
