"""The store by itself: what publishes, what is refused, and what a refusal leaves behind."""

import errno
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from convserve_service.store.blobs import Blobs
from convserve_service.store.errors import (
    BlobLost,
    CommitUnknown,
    KeyInFlight,
    KeyReused,
    StoreUnavailable,
)
from convserve_service.store.locks import holder, locked, note
from convserve_service.store.records import DatasetRow, Key, ModelRow, Reply
from convserve_service.store.store import Store
from convserve_service.store.transaction import Transaction

KEY = Key("", "k", b"request")
REPLY = Reply(200, b"{}")


@pytest.fixture
def held(store: Store) -> Iterator[sqlite3.Connection]:
    """Another program in a transaction on the catalog."""
    connection = sqlite3.connect(store.folder / "catalog.sqlite", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def row(name: str, blob: str) -> DatasetRow:
    return DatasetRow(name, "sha256:0", blob, 1, 1, "")


def test_a_key_is_recorded_once(store: Store) -> None:
    """The UNIQUE constraint refuses the second in its transaction; with another fingerprint the key is reused."""

    def apply(name: str) -> None:
        with store.catalog.transaction() as transaction:
            transaction.add_dataset(row(name, "b"))
            store.record(transaction, KEY, REPLY)

    apply("first")
    with pytest.raises(KeyInFlight):
        apply("second")
    assert [found.name for found in store.catalog.datasets()] == ["first"]
    assert store.replay(KEY) == REPLY
    with pytest.raises(KeyReused):
        store.replay(Key("", "k", b"another request"))
    assert store.replay(Key("somebody", "k", b"another request")) is None


def test_what_was_read_is_read_again_after_every_commit(store: Store) -> None:
    """Of this thread, of another one, and of a transaction that was rolled back; nothing of it is remembered."""

    def loaded() -> bool | None:
        found = store.catalog.read("m", None)[0]
        return None if found is None else found.loaded

    def add(transaction: Transaction) -> None:
        transaction.add_model(ModelRow("m", "{}", "", True))

    def turn(loaded: bool) -> None:
        with store.catalog.transaction() as transaction:
            transaction.set_loaded("m", loaded)

    def undone() -> None:
        with store.catalog.transaction() as transaction:
            assert loaded() is None
            add(transaction)
            assert loaded() is True
            raise KeyInFlight("undone")

    assert loaded() is None
    with pytest.raises(KeyInFlight):
        undone()
    assert loaded() is None
    with store.catalog.transaction() as transaction:
        add(transaction)
    assert loaded() is True
    turn(False)
    assert loaded() is False
    other = threading.Thread(target=turn, args=(True,))
    other.start()
    other.join()
    assert loaded() is True
    beside = Store.open(store.folder)
    with beside.catalog.transaction() as transaction:
        transaction.set_loaded("m", False)
    assert loaded() is False


def test_a_refused_transaction_takes_its_blob_with_it(store: Store) -> None:
    """And leaves no row."""
    blob = store.blobs.write([b"data"])

    def publish() -> None:
        with store.publishing(blob) as transaction:
            transaction.add_dataset(row("d", blob.name))
            transaction.add_dataset(row("d", blob.name))

    with pytest.raises(StoreUnavailable):
        publish()
    assert store.blobs.names() == set()
    assert store.catalog.dataset("d") is None


def test_a_commit_whose_fate_is_unknown_keeps_its_blob(store: Store) -> None:
    """A crash may turn the row up again; the next sweep decides."""
    blob = store.blobs.write([b"data"])
    with pytest.raises(CommitUnknown), store.publishing(blob):
        raise CommitUnknown("fsync failed")
    assert store.blobs.names() == {blob.name}
    assert store.sweep(store.found()) == 1
    assert store.blobs.names() == set()


def test_writers_wait_once_for_who_ignores_the_lock(store: Store, held: sqlite3.Connection) -> None:
    """The first two seconds, the next ones hardly; when it is gone all is well."""
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="repeat"), store.catalog.transaction():
            pass
        seconds.append(time.monotonic() - started)
    assert seconds[0] >= 2
    assert max(seconds[1:]) < 1
    assert store.unwritable() == "another program holds the catalog locked"
    held.execute("ROLLBACK")
    with store.catalog.transaction() as transaction:
        transaction.add_dataset(row("d", "b"))
    assert store.unwritable() is None


def test_commits_of_others_are_no_refusal(store: Store) -> None:
    """While another one commits all the time, so that its lock is never free, writers are told to be welcome."""
    stop = threading.Event()

    def commit() -> None:
        while not stop.is_set():
            with store.catalog.transaction() as transaction:
                transaction.add_dataset(row(uuid.uuid4().hex, "b"))

    threads = [threading.Thread(target=commit) for _ in range(4)]
    for thread in threads:
        thread.start()
    found = {store.unwritable() for _ in range(20)}
    stop.set()
    for thread in threads:
        thread.join()
    assert found == {None}


def test_who_waits_for_ever_is_told(store: Store) -> None:
    """The lock is held by one of us that does not go on."""
    with locked(store.folder / "catalog.lock"):
        assert store.unwritable() == "writers wait for one that holds the catalog"


def test_a_long_reader_holds_up_no_writer(store: Store) -> None:
    """Nor does it keep the log from being tidied for ever."""
    reader = sqlite3.connect(store.folder / "catalog.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM datasets").fetchall()
    blob = "b" * 100_000
    for number in range(60):
        started = time.monotonic()
        with store.catalog.transaction() as transaction:
            transaction.add_dataset(row(f"d{number}", blob))
        assert time.monotonic() - started < 1
    log = store.folder / "catalog.sqlite-wal"
    assert log.stat().st_size > 4096 * 1000
    reader.close()
    with store.catalog.transaction() as transaction:
        transaction.add_dataset(row("last", "b"))
    assert log.stat().st_size == 0


def test_a_broken_catalog_is_unavailable(store: Store) -> None:
    """To new connections of readers and of writers alike, and to who asks whether it can be written."""
    path = store.folder / "catalog.sqlite"
    for file in store.folder.glob("catalog.sqlite*"):
        file.unlink()
    path.mkdir()
    asked = (store.unwritable, store.catalog.models, lambda: store.catalog.transaction().__enter__())
    for ask in asked:
        error: list[BaseException] = []

        def run(ask: Callable[[], object] = ask, error: list[BaseException] = error) -> None:
            try:
                ask()
            except StoreUnavailable as refusal:
                error.append(refusal)

        thread = threading.Thread(target=run)  # with a connection of its own
        thread.start()
        thread.join()
        assert error, ask


def test_files_that_are_not_mounted_are_not_lost(store: Store) -> None:
    """Neither the sweep nor a reader takes an empty folder for damage; a store without it is not opened."""
    blob = store.blobs.write([b"data"])
    with store.publishing(blob) as transaction:
        transaction.add_dataset(row("d", blob.name))
    store.blobs.folder.rename(store.folder / "elsewhere")
    with pytest.raises(StoreUnavailable, match="mounted"):
        Store.open(store.folder)
    store.blobs.folder.mkdir()
    with pytest.raises(StoreUnavailable, match="mounted"):
        Store.open(store.folder).found()
    for look in (lambda: store.blobs.check(blob.name, blob.digest), lambda: store.blobs.map(blob.name)):
        with pytest.raises(StoreUnavailable):
            look()


def test_a_locked_catalog_can_be_read(store: Store, held: sqlite3.Connection) -> None:
    started = time.monotonic()
    assert store.catalog.models() == []
    assert time.monotonic() - started < 1


def test_a_newer_catalog_is_refused(store: Store) -> None:
    """Rather than misread."""
    connection = sqlite3.connect(store.folder / "catalog.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreUnavailable, match="format 99"):
        Store.open(store.folder)


def test_replies_are_forgotten_after_their_time(tmp_path: Path) -> None:
    """Not before."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = Store.open(tmp_path, clock=lambda: now, reply_hours=24)
    for hours, kept in ((0, True), (23, True), (25, False)):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        with store.catalog.transaction() as transaction:
            store.record(transaction, Key("", str(hours), b""), REPLY)
        assert (store.catalog.reply("", "0") is not None) == kept


def test_a_lock_says_who_holds_it(tmp_path: Path) -> None:
    """Nobody, then what its holder wrote; a second descriptor of the same process waits like any other."""
    path = tmp_path / "lock"
    assert holder(path) is None
    with locked(path) as descriptor:
        note(descriptor, b"me")
        assert (holder(path) or b"").rstrip(b"\0") == b"me"
        with pytest.raises(BlockingIOError), locked(path, wait=False):
            pass
        waiting = threading.Thread(target=lambda: locked(path).__enter__())
        waiting.daemon = True
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(5)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.EACCES])
def test_want_of_means_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """A version is given up only where its file is gone or unreadable, not where this process lacks a descriptor."""
    blobs = Blobs(tmp_path)
    blob = blobs.write([b"data"])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr("builtins.open", refuse)
    for look in (lambda: blobs.check(blob.name, blob.digest), lambda: blobs.map(blob.name)):
        with pytest.raises(StoreUnavailable):
            look()


@pytest.mark.parametrize("writable", [True, False])
def test_an_unreadable_file_is_lost_where_the_disk_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    """EIO of one file; where the disk takes nothing either, the file may be there again with it."""
    blobs = Blobs(tmp_path)
    blob = blobs.write([b"data"])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "refused")

    monkeypatch.setattr("builtins.open", refuse)
    if not writable:
        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(BlobLost if writable else StoreUnavailable):
        blobs.map(blob.name)


def test_damage_is_told(tmp_path: Path) -> None:
    """Other bytes, none, or no file among others."""
    blobs = Blobs(tmp_path)
    blobs.write([b"another"])
    blob = blobs.write([b"data"])
    blobs.check(blob.name, blob.digest)
    path = tmp_path / blob.name
    for spoil in (lambda: path.write_bytes(b"dato"), lambda: path.write_bytes(b""), path.unlink):
        spoil()
        with pytest.raises(BlobLost):
            blobs.check(blob.name, blob.digest)
    with pytest.raises(BlobLost):
        blobs.map(blob.name)
