"""A store without a service."""

from pathlib import Path

import pytest

from convserve_service.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "data")
