"""Models and jobs on a store without a service: what is told of losses, and what is refused."""

import pytest

from convserve_service.jobs import Jobs, Plan
from convserve_service.models import Change, Models
from convserve_service.reader import Reader
from convserve_service.specification import from_message
from convserve_service.store.errors import StoreBusy, StoreFull
from convserve_service.store.records import DatasetRow, ModelRow, Reply
from convserve_service.store.store import Store
from convserve_service.turns import Turns
from convserve_wire.messages import ModelSpec
from tests.service.specs import SIMPLE_CNN

REPLY = Reply(200, b"{}")


def test_the_newest_lost_version_is_told(store: Store) -> None:
    """Also where an older one was lost before."""
    reader = Reader(store)
    models = Models(store, reader, Turns(store, writers=4), keep=9)
    spec = from_message(ModelSpec.model_validate(SIMPLE_CNN))
    models.create("m", spec, key=None, reply=lambda row, new: REPLY)
    for lost in (2, 3):
        models.write("m", lambda live: Change(live.snapshot, "rollback", lambda row: REPLY))
        with store.catalog.transaction() as transaction:
            assert transaction.mark_damaged("m", lost)
        live = reader.read("m")
        assert (live.version.version, live.row.degraded) == (1, lost)


def test_a_job_is_for_the_rows_and_the_model_it_was_checked_with(store: Store) -> None:
    """One that was planned for others is refused and not queued."""
    turns = Turns(store, writers=4)
    reader = Reader(store)
    models = Models(store, reader, turns, keep=9)
    jobs = Jobs(store, models, turns, most=1)
    spec = from_message(ModelSpec.model_validate(SIMPLE_CNN))
    models.create("m", spec, key=None, reply=lambda row, new: REPLY)
    with store.catalog.transaction() as transaction:
        transaction.add_dataset(DatasetRow("d", "sha256:0", "b", 1, 1, ""))
    model, plan = reader.find("m"), Plan("d", "sha256:0", 1, 1, 1, None, 1, {})

    def add(model: ModelRow, plan: Plan) -> Reply:
        return jobs.add(model, plan, key=None, if_match=None, reply=lambda job: REPLY)

    for wrong in ((model, plan._replace(digest="sha256:1")), (model._replace(spec="{}"), plan)):
        with pytest.raises(StoreBusy, match="replaced"):
            add(*wrong)
    assert jobs.all(9) == []
    assert add(model, plan) == REPLY
    with pytest.raises(StoreBusy, match="wait already"):
        add(model, plan)


def test_a_store_takes_so_many_models(store: Store) -> None:
    """The same again is no new one."""
    models = Models(store, Reader(store), Turns(store, writers=4), keep=9, most=1)
    spec = from_message(ModelSpec.model_validate(SIMPLE_CNN))
    assert models.create("a", spec, key=None, reply=lambda row, new: REPLY) == REPLY
    assert models.create("a", spec, key=None, reply=lambda row, new: REPLY) == REPLY
    with pytest.raises(StoreFull, match="delete one first"):
        models.create("b", spec, key=None, reply=lambda row, new: REPLY)
    assert len(store.blobs.names()) == 1
