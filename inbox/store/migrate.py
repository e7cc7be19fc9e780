"""Bring a database to this build's shape: one alembic tree for both databases."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from inbox.store.engine import is_shared, key_number, open_plain

LOCK_TIMEOUT = "5s"  # PostgreSQL: a migration that cannot get its lock must not queue everybody behind it


def script_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def newest() -> str:
    """The revision this build wants."""
    return str(ScriptDirectory.from_config(script_config()).get_current_head())


def current(url: str) -> str | None:
    """The revision a database is at; None when it is empty."""
    engine = open_plain(url)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def knows(revision: str) -> bool:
    """Whether this build can read a database of that revision."""
    return revision in {script.revision for script in ScriptDirectory.from_config(script_config()).walk_revisions()}


def migrate(url: str, to: str = "head") -> None:
    """Upgrade to `newest()`, or `to` an older revision. Does nothing when it is there already.

    Raises: RuntimeError when rows would point at nothing afterwards (SQLite), or when a newer version made this database;
    it is then as before.
    """
    found = current(url)
    if found is not None and not knows(found):
        raise RuntimeError(f"A newer version of Rapport made this database ({found}). Install that version.")
    engine = open_plain(url)
    is_postgres = is_shared(url)
    with engine.connect() as connection:
        if not is_postgres:
            # Rebuilding a table with foreign keys on would fire ON DELETE CASCADE; the pragma works only outside a transaction.
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        with connection.begin():
            if is_postgres:
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key_number("migrate")})
            config = script_config()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            if not is_postgres:
                _check_keys(connection)
    engine.dispose()


def _check_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(5)
    if broken:
        raise RuntimeError(f"The migration left rows that point at nothing, so it was taken back: {broken}")
