"""A PostgreSQL database as one text file per table, and back: with COPY, in one snapshot, without an outside tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from inbox.domain.everything import METADATA
from inbox.store.engine import open_plain

CHUNK = 1024**2
REVISION = "alembic_version"


def dump(url: str, folder: Path) -> dict[str, list[str]]:
    """Write `<table>.copy` for each table as it stands at one commit. Returns the columns of each, in their order."""
    engine = open_plain(url).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with engine.connect() as connection, connection.begin():
        columns = {name: _columns(connection, name) for name in (*tables(), REVISION)}
        for name, named in columns.items():
            with (
                _cursor(connection).copy(_copy(name, named, "TO STDOUT")) as rows,
                (folder / f"{name}.copy").open("wb") as out,
            ):
                for data in rows:
                    out.write(data)
    return columns


def load(connection: Connection, folder: Path, columns: dict[str, list[str]]) -> None:
    """Replace every row by what `dump` wrote, inside the caller's transaction. The schema must be the dump's own."""
    everything = ", ".join(f'"{name}"' for name in tables())
    connection.execute(text(f"TRUNCATE {everything}"))
    for name in tables():  # a table comes after those its keys point at
        if name not in columns:
            continue
        with (
            _cursor(connection).copy(_copy(name, columns[name], "FROM STDIN")) as into,
            (folder / f"{name}.copy").open("rb") as rows,
        ):
            while data := rows.read(CHUNK):
                into.write(data)
    # Numbers given out by the database go on behind the restored ones.
    connection.execute(
        text(
            "SELECT setval(pg_get_serial_sequence('search_entry', 'n'), coalesce((SELECT max(n) FROM search_entry), 0) + 1, false)"
        )
    )


def tables() -> list[str]:
    return [table.name for table in METADATA.sorted_tables]


def _columns(connection: Connection, table: str) -> list[str]:
    found = connection.execute(
        text(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND table_name = :table AND is_generated = 'NEVER' ORDER BY ordinal_position"
        ),
        {"table": table},
    )
    return [row[0] for row in found]


def _copy(table: str, columns: list[str], direction: str) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    return f'COPY "{table}" ({named}) {direction}'


def _cursor(connection: Connection) -> Any:
    raw: Any = connection.connection.driver_connection
    return raw.cursor()
