"""Stores of one kind, for what only that database does."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from inbox.store.engine import Database
from inbox.store.store import Store
from tests import parts
from tests.world import World, build_world


@asynccontextmanager
async def _world(url: str) -> AsyncIterator[World]:
    store = Store(Database(url))
    store.start()
    try:
        yield await build_world(store)
    finally:
        await store.stop()


@pytest.fixture
async def sqlite_world(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[World]:
    shutil.copy(sqlite_template, tmp_path / "rapport.db")
    async with _world(f"sqlite:///{tmp_path / 'rapport.db'}") as world:
        yield world


@pytest.fixture
async def postgres_world(postgres_server: str, postgres_template: str) -> AsyncIterator[World]:
    url = parts.create_database(postgres_server, template=postgres_template)
    async with _world(url) as world:
        yield world
    parts.drop_database(url)
