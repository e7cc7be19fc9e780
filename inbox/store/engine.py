"""The two databases: how each is opened, begins to write, locks keys, and what its errors mean."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

READERS = 3  # threads that read; two cores serve no more at once
BUSY_MILLISECONDS = 5_000  # how long a small command beside the server may hold SQLite's lock
LOCK_TIMEOUT_MILLISECONDS = 250  # PostgreSQL: net under the sorted advisory locks
SQLITE_BATCH = 512
POSTGRES_BATCH = 64  # larger batches hold their advisory locks too long for other hosts


class Fault(Enum):
    """What a database error means for the batch that met it."""

    RETRY = "retry"
    DISK_FULL = "disk_full"
    FATAL = "fatal"
    LOST = "lost"
    OTHER = "other"


class Database:
    """One database, opened once for writing and for reading.

    `is_shared` is true where other hosts may write too (PostgreSQL): actions then hold advisory locks on their keys.
    """

    def __init__(self, url: str, *, readers: int = READERS) -> None:
        self.url = url
        self.parsed = make_url(url)
        self.is_shared = is_shared(url)
        self.batch_size = POSTGRES_BATCH if self.is_shared else SQLITE_BATCH
        self.writing = self._open_postgres(1, read=False) if self.is_shared else self._open_sqlite(read=False)
        self.reading = self._open_postgres(readers, read=True) if self.is_shared else self._open_sqlite(read=True)

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None on PostgreSQL."""
        return None if self.is_shared else Path(str(self.parsed.database))

    def _open_sqlite(self, *, read: bool) -> Engine:
        engine = create_engine(
            self.parsed,
            hide_parameters=True,  # an error's words go to the log, and parameters are what people wrote
            poolclass=QueuePool if read else StaticPool,
            connect_args={"check_same_thread": False, "timeout": BUSY_MILLISECONDS / 1000},
            **({"pool_size": READERS, "max_overflow": 4} if read else {}),
        )
        event.listen(engine, "connect", _prepare_sqlite)
        # pysqlite sends no BEGIN for SELECT, so two reads of one "transaction" would see two moments.
        event.listen(engine, "begin", _begin_snapshot if read else _begin_immediate)
        return engine

    def _open_postgres(self, size: int, *, read: bool) -> Engine:
        isolation = "REPEATABLE READ" if read else "READ COMMITTED"
        options = f"-c lock_timeout={LOCK_TIMEOUT_MILLISECONDS} -c synchronous_commit=on -c timezone=UTC"
        engine = create_engine(
            self.parsed,
            hide_parameters=True,
            pool_size=size,
            max_overflow=2,
            pool_pre_ping=read,
            isolation_level=isolation,
            connect_args={"options": options, "connect_timeout": 5},
        )
        return engine.execution_options(postgresql_readonly=True) if read else engine

    def lock_keys(self, connection: Connection, keys: set[str]) -> None:
        """Take the advisory locks of `keys` for this transaction, in ascending order so that two writers cannot cross."""
        if not self.is_shared or not keys:
            return
        numbers = sorted({key_number(key) for key in keys})
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(k) FROM unnest(%(keys)s::bigint[]) WITH ORDINALITY AS t(k, o) ORDER BY o",
            {"keys": numbers},
        )

    def close(self) -> None:
        self.writing.dispose()
        self.reading.dispose()


def open_plain(url: str) -> Engine:
    """An engine for one-off work (migration, backup, doctor): no pool, no begin hook, keys checked."""
    parsed = make_url(url)
    engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True)
    if not is_shared(url):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def spelled_out(url: str) -> str:
    """A database's address in the one spelling SQLAlchemy knows; platforms hand out `postgres://`. Raises: ValueError."""
    spelled = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg://", url)
    if not spelled.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("Write it as sqlite:///path or postgresql://user:password@host/name.")
    if is_shared(spelled) and find_spec("psycopg") is None:
        raise ValueError("PostgreSQL needs its driver: pip install 'inbox[postgres]'.")
    return spelled


def is_shared(url: str) -> bool:
    """Whether other hosts may write this database too (PostgreSQL), or one process owns its file (SQLite)."""
    return make_url(url).get_backend_name() == "postgresql"


def insert_or_ignore(table: Table) -> Any:
    """INSERT … ON CONFLICT DO NOTHING: spelled alike on both databases, so one construct serves them."""
    return upsert(table).on_conflict_do_nothing()


def copy_file(url: str, target: Path) -> None:
    """Copy an SQLite database as it stands at one commit, while others go on writing it. Raises: RuntimeError elsewhere."""
    if is_shared(url):
        raise RuntimeError("Only an SQLite database is one file.")
    with closing(sqlite3.connect(str(make_url(url).database))) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")
        verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise RuntimeError(f"The database is damaged: {verdict}. Restore the newest backup.")


def place_of(connection: Connection) -> str:
    """Where this database lies: another word after it was copied, restored or wound back by hand.

    The file's number on its disk; on PostgreSQL the database, its epoch table (made anew by pg_restore) and the timeline
    (begun anew by a recovery to an earlier point, or by a failover).
    """
    if connection.dialect.name == "postgresql":
        asked = (
            "SELECT concat_ws('.', (SELECT oid FROM pg_database WHERE datname = current_database()),"
            " 'epoch'::regclass::oid, left(pg_walfile_name(pg_current_wal_lsn()), 8))"
        )
        return str(connection.exec_driver_sql(asked).scalar_one())
    return str(Path(connection.exec_driver_sql("PRAGMA database_list").one()[2]).stat().st_ino)


def others_connected(connection: Connection) -> int:
    """How many other connections a PostgreSQL database has."""
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    return int(connection.exec_driver_sql(asked).scalar_one())


def key_number(key: str) -> int:
    """A key as PostgreSQL's advisory locks want it: 64 bits, signed."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


def fault_of(error: BaseException) -> Fault:
    """What this database error means. Source: SQLite result codes; PostgreSQL appendix A."""
    at: BaseException | None = error
    while at is not None:
        fault = _fault_of_one(at)
        if fault is not Fault.OTHER or not _is_of_database(at):
            return fault
        # SQLite ends the whole transaction on a full disk, and what fails then is the way back to a savepoint.
        at = at.__context__
    return Fault.OTHER


def _is_of_database(error: BaseException) -> bool:
    # A driver's module may not be installed, so its errors go by name; they come bare from the writer's savepoints.
    return any(base.__name__ in ("Error", "DBAPIError") for base in type(error).__mro__)


def _fault_of_one(error: BaseException) -> Fault:
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _sqlite_fault(cause)
    state = getattr(cause, "sqlstate", None) or ""
    if state in ("40001", "40P01", "55P03"):  # serialization failure, deadlock, lock not available
        return Fault.RETRY
    if state in ("53100",):  # disk full
        return Fault.DISK_FULL
    if state == "58030":  # an I/O error: PostgreSQL panics on a failed fsync itself
        return Fault.FATAL
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Fault.LOST
    if any(base.__name__ in ("OperationalError", "InterfaceError") for base in type(cause).__mro__):
        return Fault.LOST
    return Fault.OTHER


def _sqlite_fault(cause: sqlite3.Error) -> Fault:
    name = getattr(cause, "sqlite_errorname", "")
    if name in (
        "SQLITE_FULL",
        "SQLITE_IOERR_WRITE",
        "SQLITE_READONLY",
        "SQLITE_CANTOPEN",
        "SQLITE_IOERR_SHMSIZE",
    ):
        return Fault.DISK_FULL
    if name in ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"):
        # After a failed fsync a second try may report success without the data: stop instead.
        return Fault.FATAL
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Fault.RETRY
    return Fault.OTHER


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an acknowledged message must survive a power cut, not only a crash
        "foreign_keys=ON",
        f"busy_timeout={BUSY_MILLISECONDS}",
        "secure_delete=ON",  # erased means erased, from the first day
        "temp_store=MEMORY",
        "cache_size=-16000",
        "journal_size_limit=67108864",  # a long read lets the WAL grow; it shrinks again instead of keeping its tidemark
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_snapshot(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
