"""Two power cuts, and a disk that is cut off while it is read; `make crash` makes more cuts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.disk import Disk, Unmountable, disk
from tests.crash.power import cuts
from tests.servers import serving
from tests.service.calls import call, versions
from tests.service.stored import file
from tests.system import counting


@pytest.fixture
def mounted() -> Iterator[Disk]:
    try:
        with disk() as made:
            yield made
    except Unmountable as error:
        pytest.skip(str(error))


def test_what_was_acknowledged_survives_a_power_cut(mounted: Disk) -> None:
    """Versions with their digests and readable weights; repeated keys get the stored replies; nothing twice."""
    for acknowledged, wrong in cuts(mounted, 2, seed=1):
        assert acknowledged
        assert wrong == []


def test_what_a_dead_disk_hides_is_not_called_lost(mounted: Disk, tmp_path: Path) -> None:
    """Where the blobs have a disk of their own: 503 and no damage while it is gone, and all there afterwards."""
    (tmp_path / "blobs").symlink_to(mounted.folder)
    with serving(tmp_path) as running:
        counting.create(running.url, "m")
        call("PUT", f"{running.url}/v2/datasets/d", file()).raise_for_status()
    with serving(tmp_path) as running:
        model, dataset = f"{running.url}/v2/models/m", f"{running.url}/v2/datasets/d"
        mounted.cut()
        for address in (f"{model}/weights", f"{model}/versions/1/weights", dataset):
            hidden = call("GET", address)
            assert (hidden.status_code, hidden.json()["code"]) == (503, "store_unavailable"), hidden.text
    mounted.unmount()
    mounted.mount()
    with serving(tmp_path) as running:
        model = f"{running.url}/v2/models/m"
        assert [row["available"] for row in versions(running.url, "m")] == [True, True]
        assert counting.counted(call("GET", f"{model}/weights").content) == 2
        assert call("GET", f"{running.url}/v2/datasets/d").content == file()
