"""The whole suite runs on SQLite and on PostgreSQL: whatever asks for `database_url` is run once on each."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from inbox.store.engine import Database
from inbox.store.migrate import migrate
from inbox.store.store import Store
from tests import parts
from tests.running import Running, running
from tests.world import World, build_world


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """One real PostgreSQL for the run."""
    with parts.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """A migrated, empty database; the others are copies of it."""
    url = parts.create_database(postgres_server)
    migrate(url)
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "rapport.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One real Redis for the run."""
    with parts.redis() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database of each kind."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "rapport.db")
        yield f"sqlite:///{tmp_path / 'rapport.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    url = parts.create_database(server, template=request.getfixturevalue("postgres_template"))
    yield url
    parts.drop_database(url)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A started store on a fresh database."""
    opened = Store(Database(database_url))
    opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
async def world(store: Store) -> World:
    """The cast in its workspace, and a second workspace that must never leak."""
    return await build_world(store)


@pytest.fixture
async def served(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A whole house on a real port, on each database."""
    async with running(database_url, tmp_path / "data") as found:
        yield found
