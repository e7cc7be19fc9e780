"""What the commands do, one function each."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from inbox.actions import seeding, sign_in, workspace
from inbox.domain.access import Role
from inbox.domain.agent import Agent
from inbox.domain.ids import new_id
from inbox.domain.transit import Who
from inbox.domain.user import Session
from inbox.domain.workspace import Workspace
from inbox.settings import Settings
from inbox.store import backup as store_backup
from inbox.store import migrate as store_migrate
from inbox.store.engine import Database, is_shared
from inbox.store.files import Files
from inbox.store.lock import WriterLock
from inbox.store.store import Store
from inbox.store.transaction import Reading

UNTOUCHED_HOURS = 8  # a demo nobody used for so long begins anew: its clocks would all be late
SCENARIO = Path(__file__).parent / "sandbox" / "scenario.json"


def migrate(settings: Settings) -> None:
    """Upgrade; refuses while a server writes the same SQLite file."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = WriterLock(settings.data_dir)
    if not is_shared(settings.url):
        lock.take()
    store_migrate.migrate(settings.url)
    print(f"The database is at {store_migrate.newest()}.")


def with_store(settings: Settings, work: Callable[[Store], Awaitable[Any]]) -> Any:
    """Run something short on the store, beside a server if one runs."""

    async def run() -> Any:
        store = Store(Database(settings.url))
        store.start()
        try:
            return await work(store)
        finally:
            await store.stop()

    return asyncio.run(run())


def work(settings: Settings) -> int:
    """Jobs and timers only, for PostgreSQL."""
    from inbox.jobs.deliver import Deliver
    from inbox.jobs.timers import Timers
    from inbox.jobs.worker import Worker

    if not is_shared(settings.url):
        print("On SQLite the worker runs inside `inbox serve`; there is nothing to do here.")
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        return 0

    async def run() -> None:
        store = Store(Database(settings.url))
        store.start()
        worker = Worker(store, {"deliver": Deliver(store)})
        timers = Timers(store, Files(settings.data_dir / "files"))
        worker.start()
        timers.start()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
        await timers.stop()
        await worker.stop()
        await store.stop()

    asyncio.run(run())
    return 0


def seed(settings: Settings, *, reset: bool) -> None:
    """The demo workspace, unless the database has one already."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = WriterLock(settings.data_dir)
    if not is_shared(settings.url):
        lock.take()
        if reset:
            _wipe(settings.data_dir)
    store_migrate.migrate(settings.url)
    if not with_store(settings, _is_seeded):
        scenario = json.loads(SCENARIO.read_text())
        with_store(settings, lambda store: store.write(seeding.seed, scenario, who=Who(new_id())))
    lock.release()


def demo(settings: Settings, *, reset: bool, quiet: bool) -> int:
    """Seed if needed, serve, and let the town live."""
    from inbox.main import House, serve

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    seed(settings, reset=reset or _is_stale(settings))

    async def say(house: House) -> None:
        print(f"Rapport is here: {settings.desk_origin}/demo", flush=True)

    started: list[Any] = [say]
    if not quiet:
        from inbox.sandbox.town import live

        started.append(lambda house: live(settings.desk_origin, settings.frame_origin, seeding.WIDGET_KEY))
    return serve(settings, on_started=started)


def backup(settings: Settings, target: Path) -> None:
    """Raises: RuntimeError naming what is in the way."""
    store_backup.backup(settings.url, settings.data_dir, target)
    print(f"Backed up to {target}.")


def restore(settings: Settings, source: Path) -> None:
    """Raises: RuntimeError when a server runs or the backup is not whole."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = WriterLock(settings.data_dir)
    lock.take()
    store_backup.restore(source, settings.url, settings.data_dir)
    lock.release()
    print("Restored. Everybody's page fetches itself anew.")


def add_user(settings: Settings, *, email: str, name: str, slug: str, role: str) -> str:
    """A seat, and the link with which its person chooses a password."""

    async def run(store: Store) -> str:
        found = await store.read(lambda rx: _workspace_across_workspaces(rx, slug))
        if found is None:
            raise RuntimeError(f"There is no workspace {slug!r}.")
        who = Who(found)
        user_id = await store.write(workspace.add_user, email=email, name=name, who=who)
        await store.write(workspace.add_seat, user_id=user_id, name=name, role=Role(role), who=who)
        token = await store.write(sign_in.offer_reset, user_id, who=who)
        return f"{settings.desk_origin}/reset/{token}"

    return str(with_store(settings, run))


def doctor(settings: Settings) -> int:
    """Prints what is set and each check; exit code 1 when one is red."""
    for name, value in settings.shown().items():
        print(f"{name:18} {value}")
    problems = 0
    for name, check in _CHECKS.items():
        try:
            print(f"ok   {name}: {check(settings)}")
        except Exception as error:
            problems += 1
            print(f"RED  {name}: {error}")
    return 1 if problems else 0


def docs(*, check: bool) -> int:
    """Exit code 1 when a page is stale."""
    from inbox.web.reference import pages

    settings = [
        (name, str(field.get_default(call_default_factory=True)), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    stale = 0
    for path, text in pages(settings).items():
        file = Path(__file__).parent.parent / "docs" / path
        if file.exists() and file.read_text() == text:
            continue
        stale += 1
        if check:
            print(f"docs/{path} is stale: run `inbox docs`")
        else:
            file.write_text(text)
    return stale if check else 0


def _check_database(settings: Settings) -> str:
    found = store_migrate.current(settings.url)
    if found != store_migrate.newest():
        raise RuntimeError(f"at {found}, this version wants {store_migrate.newest()}: run `inbox migrate`")
    return f"at {found}"


def _check_durability(settings: Settings) -> str:
    database = Database(settings.url)
    try:
        with database.reading.connect() as connection:
            if database.is_shared:
                found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
                if found != "on":
                    raise RuntimeError("synchronous_commit is off: an acknowledged message could be lost")
                return "synchronous_commit is on"
            level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
            if level != 2:
                raise RuntimeError("synchronous is not FULL")
            return "synchronous is FULL"
    finally:
        database.close()


def _check_room(settings: Settings) -> str:
    free = shutil.disk_usage(settings.data_dir).free // 1024**2
    if free < 512:
        raise RuntimeError(f"{free} MiB free in {settings.data_dir}: make room")
    return f"{free} MiB free"


_CHECKS: dict[str, Callable[[Settings], str]] = {
    "database": _check_database,
    "durability": _check_durability,
    "disk": _check_room,
}


async def _is_seeded(store: Store) -> bool:
    return await store.read(_has_demo_across_workspaces)


def _has_demo_across_workspaces(rx: Reading) -> bool:
    return rx.session.exec(select(Workspace.id).where(col(Workspace.is_demo).is_(True))).first() is not None


def _workspace_across_workspaces(rx: Reading, slug: str) -> str | None:
    return rx.session.exec(select(Workspace.id).where(Workspace.slug == slug)).first()


def _is_stale(settings: Settings) -> bool:
    """Whether no person signed in to this demo for eight hours (or it is of another shape and cannot tell)."""
    if not (settings.data_dir / "rapport.db").exists():
        return False
    try:
        return not with_store(settings, lambda store: store.read(_was_used_across_workspaces))
    except SQLAlchemyError:
        return True


def _was_used_across_workspaces(rx: Reading) -> bool:
    since = rx.now - timedelta(hours=UNTOUCHED_HOURS)
    founded = select(Workspace.id).where(Workspace.created_at > since)
    seen = (
        select(Session.id)
        .join(Agent, col(Agent.user_id) == col(Session.user_id))
        .where(col(Agent.is_robot).is_(False), Session.seen_at > since)
    )
    return rx.session.exec(founded).first() is not None or rx.session.exec(seen).first() is not None


def _wipe(data_dir: Path) -> None:
    for name in ("rapport.db", "rapport.db-wal", "rapport.db-shm", "epoch"):
        (data_dir / name).unlink(missing_ok=True)
