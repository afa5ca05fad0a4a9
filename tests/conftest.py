"""One service for all tests of a process, each with models of its own."""

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.servers import serving

settings.register_profile("convserve", deadline=None)  # a machine that is busy breaks no promise
settings.load_profile("convserve")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running service."""
    with serving(tmp_path_factory.mktemp("data")) as running:
        yield running.url


@pytest.fixture
def name() -> str:
    """A model name that nobody has."""
    return f"m-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def key() -> str:
    """An idempotency key that nobody used."""
    return uuid.uuid4().hex
