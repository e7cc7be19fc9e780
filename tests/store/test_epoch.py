"""The epoch changes when the data went to another life, and only then."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from inbox.domain.transit import Who
from inbox.store import epoch
from inbox.store.engine import Database
from inbox.store.store import Store
from tests import parts


async def start(url: str, data_dir: Path | None) -> str:
    """What a server does when it starts and stops."""
    store = Store(Database(url))
    store.start()
    settled: str = await store.write(epoch.settle, data_dir, who=Who(""))
    await store.stop()
    return settled


@pytest.fixture
def data(tmp_path: Path, sqlite_template: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "rapport.db")
    return folder


def url_of(data: Path) -> str:
    return f"sqlite:///{data / 'rapport.db'}"


async def test_it_stays_over_restarts(data: Path) -> None:
    first = await start(url_of(data), data)
    assert first
    assert [await start(url_of(data), data) for _ in range(3)] == [first] * 3
    assert (data / "epoch").read_text().split()[0] == first


async def test_a_missing_file_beside_the_database_is_another_life(data: Path) -> None:
    first = await start(url_of(data), data)
    epoch.forget(data)
    second = await start(url_of(data), data)
    assert second != first
    assert await start(url_of(data), data) == second


async def test_a_folder_copied_by_hand_is_another_life_and_the_original_is_not(data: Path, tmp_path: Path) -> None:
    first = await start(url_of(data), data)
    copied = tmp_path / "copied"
    shutil.copytree(data, copied)
    assert await start(url_of(copied), copied) != first
    assert await start(url_of(data), data) == first


async def test_an_older_copy_put_back_by_hand_is_another_life_even_in_the_same_file(data: Path, tmp_path: Path) -> None:
    first = await start(url_of(data), data)
    shutil.copy(data / "rapport.db", tmp_path / "yesterday.db")
    assert await start(url_of(data), data) == first
    number = os.stat(data / "rapport.db").st_ino
    (data / "rapport.db").write_bytes((tmp_path / "yesterday.db").read_bytes())
    assert os.stat(data / "rapport.db").st_ino == number
    assert await start(url_of(data), data) != first


async def test_a_start_that_was_cut_off_costs_an_epoch_and_never_hides_a_copy(data: Path) -> None:
    first = await start(url_of(data), data)
    with sqlite3.connect(data / "rapport.db") as connection:
        connection.execute("UPDATE epoch SET value = 'the commit never came' WHERE id = 2")
    assert await start(url_of(data), data) != first


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    url = parts.create_database(postgres_server, template=postgres_template)
    yield url
    parts.drop_database(url)


async def test_on_postgresql_it_stays_over_restarts_of_every_host(postgres_url: str) -> None:
    first = await start(postgres_url, None)
    assert [await start(postgres_url, None) for _ in range(3)] == [first] * 3


async def test_a_copied_postgresql_database_is_another_life(postgres_url: str, postgres_server: str) -> None:
    first = await start(postgres_url, None)
    copied = parts.create_database(postgres_server, template=postgres_url)
    assert await start(copied, None) != first
    parts.drop_database(copied)
    assert await start(postgres_url, None) == first
