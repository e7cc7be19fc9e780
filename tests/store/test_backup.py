"""A backup holds everything acknowledged before it began; a restore is that moment again, in another life."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from inbox.domain.everything import METADATA
from inbox.domain.ids import new_id
from inbox.domain.message import Attachment
from inbox.domain.transit import Who
from inbox.store import backup as store_backup
from inbox.store import epoch, search
from inbox.store.engine import Database, is_shared, open_plain
from inbox.store.files import Files
from inbox.store.migrate import newest
from inbox.store.store import Store
from inbox.store.transaction import Transaction
from tests import parts
from tests.actions.test_intake import message, send
from tests.world import World, build_world


def digests(url: str) -> dict[str, str]:
    """Each table's rows in the order of its key, as one sum. The epoch is another one on purpose."""
    engine = open_plain(url)
    found = {}
    with engine.connect() as connection:
        for table in METADATA.sorted_tables:
            if table.name != "epoch":
                rows = connection.execute(table.select().order_by(*table.primary_key)).all()
                found[table.name] = f"{len(rows)} {hashlib.sha256(repr(rows).encode()).hexdigest()}"
    engine.dispose()
    return found


def attach(tx: Transaction, sha256: str) -> None:
    tx.add(
        Attachment(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            token=new_id(),
            name="a.txt",
            media_type="text/plain",
            size=1,
            sha256=sha256,
            created_at=tx.now,
        )
    )


@pytest.fixture
def empty_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    """An empty place of the same kind."""
    if not is_shared(database_url):
        (tmp_path / "elsewhere").mkdir()
        yield f"sqlite:///{tmp_path / 'elsewhere' / 'rapport.db'}"
        return
    url = parts.create_database(database_url)
    yield url
    parts.drop_database(url)


@pytest.fixture
async def stopped(database_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """A filled database nobody is connected to."""
    store = Store(Database(database_url))
    store.start()
    world = await build_world(store)
    for n in range(20):
        await send(store, world.home, message(n, text=f"kettle\tnumber {n}\nand \\N more 茶"))
    await store.stop()
    yield database_url


async def test_everything_acknowledged_before_is_in_it_while_writing_goes_on(
    world: World, empty_url: str, tmp_path: Path
) -> None:
    store, home, data = world.store, world.home, tmp_path / "data"
    files = Files(data / "files")
    kept = files.put_bytes(b"kettle manual")
    files.put_bytes(b"named by nobody")
    await store.write(attach, kept.sha256, who=Who(home.id))
    acked = [(await send(store, home, message(n))).message_id for n in range(100)]
    backing_up = asyncio.create_task(
        asyncio.to_thread(store_backup.backup, store.database.url, data, tmp_path / "copy")
    )
    after = 0
    while not backing_up.done():
        await send(store, home, message(1000 + after))
        after += 1
    assert await backing_up == []
    await asyncio.to_thread(store_backup.restore, tmp_path / "copy", empty_url, tmp_path / "elsewhere")
    restored = Store(Database(empty_url))
    restored.start()
    found = await restored.read(lambda rx: {row[0] for row in rx.connection.execute(text("SELECT id FROM message"))})
    assert set(acked) <= found
    seqs = await restored.read(
        lambda rx: [row[0] for row in rx.connection.execute(text("SELECT seq FROM event ORDER BY workspace_id, seq"))]
    )
    head = await restored.read(lambda rx: rx.connection.execute(text("SELECT sum(seq) FROM log_head")).scalar_one())
    assert len(seqs) == head
    assert Files(tmp_path / "elsewhere" / "files").exists(kept.sha256)
    assert len([p for p in (tmp_path / "elsewhere" / "files").rglob("*") if p.is_file()]) == 1
    await restored.stop()


async def test_a_restore_is_the_same_rows_in_another_life_that_goes_on(
    stopped: str, empty_url: str, tmp_path: Path
) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    (data / "secret").write_text("s" * 40)
    await asyncio.to_thread(store_backup.backup, stopped, data, tmp_path / "copy")
    before = digests(stopped)
    await asyncio.to_thread(store_backup.restore, tmp_path / "copy", empty_url, elsewhere)
    assert digests(empty_url) == before
    assert (elsewhere / "secret").read_text() == "s" * 40
    own = None if is_shared(stopped) else data
    first, second = Store(Database(stopped)), Store(Database(empty_url))
    for store in (first, second):
        store.start()
    there = None if is_shared(stopped) else elsewhere
    assert await first.write(epoch.settle, own, who=Who("")) != await second.write(epoch.settle, there, who=Who(""))
    workspace_id = await second.read(
        lambda rx: rx.connection.execute(text("SELECT id FROM workspace WHERE slug = 'home'")).scalar_one()
    )
    entry = search.Entry("message", new_id(), new_id(), "kettle again")
    await second.write(lambda tx: search.index(tx.connection, workspace_id, [entry]), who=Who(workspace_id))
    hits = await second.read(search.find_in_workspace, workspace_id, "kettle")
    assert len(hits) == 21
    await first.stop()
    await second.stop()


async def test_a_damaged_backup_changes_nothing(stopped: str, tmp_path: Path) -> None:
    await asyncio.to_thread(store_backup.backup, stopped, tmp_path / "data", tmp_path / "copy")
    victim = next(p for p in (tmp_path / "copy").rglob("*") if p.suffix in (".db", ".copy") and p.stat().st_size)
    before = digests(stopped)
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match="damaged"):
        store_backup.restore(tmp_path / "copy", stopped, tmp_path / "data", replace=True)
    assert digests(stopped) == before
    with pytest.raises(RuntimeError, match="no backup"):
        store_backup.restore(tmp_path / "nothing", stopped, tmp_path / "data")


async def test_a_backup_of_a_newer_version_changes_nothing(stopped: str, tmp_path: Path) -> None:
    await asyncio.to_thread(store_backup.backup, stopped, tmp_path / "data", tmp_path / "copy")
    listed = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    assert listed["revision"] == newest()
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps({**listed, "revision": "9999"}))
    with pytest.raises(RuntimeError, match="newer version"):
        store_backup.restore(tmp_path / "copy", stopped, tmp_path / "data", replace=True)


async def test_an_existing_folder_is_never_written_over(stopped: str, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(RuntimeError, match="exists already"):
        store_backup.backup(stopped, tmp_path / "data", tmp_path / "copy")


async def test_a_lost_file_is_named_and_does_not_stop_the_backup(world: World, tmp_path: Path) -> None:
    await world.store.write(attach, "0" * 64, who=Who(world.home.id))
    lacking = await asyncio.to_thread(
        store_backup.backup, world.store.database.url, tmp_path / "data", tmp_path / "copy"
    )
    assert lacking == ["0" * 64]


async def test_what_was_there_before_a_restore_stays_beside_it(sqlite_world: World, tmp_path: Path) -> None:
    url, path = sqlite_world.store.database.url, sqlite_world.store.database.path
    assert path is not None
    await asyncio.to_thread(store_backup.backup, url, tmp_path, tmp_path / "copy")
    await send(sqlite_world.store, sqlite_world.home, message(1))
    newer = path.with_name("newer.db")
    newer.write_bytes(b"")
    await asyncio.to_thread(store_backup.restore, tmp_path / "copy", url, tmp_path)
    aside = path.with_name(path.name + ".replaced")
    shutil.copy(aside, newer)
    for ending in ("-wal", "-shm"):
        if os.path.exists(f"{aside}{ending}"):
            shutil.copy(f"{aside}{ending}", f"{newer}{ending}")
    assert digests(f"sqlite:///{newer}")["message"].startswith("1 ")
    assert digests(url)["message"].startswith("0 ")


async def test_postgresql_is_not_replaced_without_a_word_nor_under_a_running_server(
    postgres_world: World, tmp_path: Path
) -> None:
    url = postgres_world.store.database.url
    await asyncio.to_thread(store_backup.backup, url, tmp_path, tmp_path / "copy")
    with pytest.raises(RuntimeError, match="connections are open"):
        await asyncio.to_thread(store_backup.restore, tmp_path / "copy", url, tmp_path, replace=True)
    await send(postgres_world.store, postgres_world.home, message(1))
    postgres_world.store.database.close()
    with pytest.raises(RuntimeError, match="not empty"):
        await asyncio.to_thread(store_backup.restore, tmp_path / "copy", url, tmp_path)
    assert digests(url)["message"].startswith("1 ")
    await asyncio.to_thread(store_backup.restore, tmp_path / "copy", url, tmp_path, replace=True)
    assert digests(url)["message"].startswith("0 ")
