"""Online backup and restore: a committed moment of the database, the files it names, and a list to check them by."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy import table as sql_table
from sqlalchemy.engine import make_url

from inbox.domain.clock import iso, utc_now
from inbox.store import dump, epoch
from inbox.store.engine import copy_file, is_shared, open_plain, others_connected
from inbox.store.files import Files, sync_folder
from inbox.store.migrate import current, knows, migrate

MANIFEST = "manifest.json"
DATABASE = "rapport.db"
TABLES = "tables"
FILES = "files"
SECRET = "secret"
ASIDE = ".replaced"  # what the old database is called after a restore
NAMED = text("SELECT sha256 FROM attachment UNION SELECT sha256 FROM receipt WHERE raw IS NULL")


def backup(url: str, data_dir: Path, target: Path) -> list[str]:
    """Copy everything to `target`, a folder that must not exist yet, while the server goes on.

    The database first, then the files: whatever a row names was on disk before the row. Returns what is lacking: sums of
    files that a row names and the disk does not hold. Raises: RuntimeError.
    """
    if target.exists():
        raise RuntimeError(f"{target} exists already: name a new folder.")
    revision = current(url)
    if revision is None:
        raise RuntimeError("There is no database to back up yet.")
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    manifest: dict[str, Any] = {"made_at": iso(utc_now()), "revision": revision}
    if is_shared(url):
        (part / TABLES).mkdir()
        manifest["columns"] = dump.dump(url, part / TABLES)
        sums = _named_in_dump(part / TABLES, manifest["columns"])
    else:
        copy_file(url, part / DATABASE)
        manifest["rows"], sums = _inspect(f"sqlite:///{(part / DATABASE).absolute()}")
    manifest["lacking"] = _take_files(Files(data_dir / FILES), part / FILES, sums)
    if (data_dir / SECRET).exists():
        shutil.copy2(data_dir / SECRET, part / SECRET)
    manifest["sha256"] = {path.relative_to(part).as_posix(): _sum(path) for path in _all(part)}
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1))
    for path in [*_all(part), *(folder for folder in part.rglob("*") if folder.is_dir()), part]:
        sync_folder(path)
    part.rename(target)
    sync_folder(target.parent)
    return list(manifest["lacking"])


def _inspect(url: str) -> tuple[dict[str, int], set[str]]:
    """The rows of each table, and the sums of files they name."""
    engine = open_plain(url)
    with engine.connect() as connection:
        rows = {name: _count(connection, name) for name in dump.tables()}
        sums = {row[0] for row in connection.execute(NAMED)}
    engine.dispose()
    for ending in ("-wal", "-shm"):
        Path(str(make_url(url).database) + ending).unlink(missing_ok=True)
    return rows, sums


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(select(func.count()).select_from(sql_table(table))).scalar_one())


def _named_in_dump(folder: Path, columns: dict[str, list[str]]) -> set[str]:
    """The sums in the dumped rows themselves: the live database may name others by now."""
    found: set[str] = set()
    for table in ("attachment", "receipt"):
        at = columns[table].index("sha256")
        raw = columns[table].index("raw") if table == "receipt" else None
        with (folder / f"{table}.copy").open(encoding="utf-8") as rows:
            for row in rows:
                cells = row.rstrip("\n").split("\t")
                if raw is None or cells[raw] == r"\N":
                    found.add(cells[at])
    return found


def _take_files(source: Files, target: Path, sums: set[str]) -> list[str]:
    """Link the named files (their bytes never change), or copy them to another disk. Returns those that are not there."""
    kept, lacking = Files(target), []
    for each in sorted(sums):
        to = kept.path(each)
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source.path(each), to)
        except FileNotFoundError:
            lacking.append(each)
        except OSError:
            shutil.copy2(source.path(each), to)
    return lacking


def restore(source: Path, url: str, data_dir: Path, *, replace: bool = False) -> None:
    """Put a backup in place of what is there, under a new epoch. The caller holds the writer's lock. Raises: RuntimeError.

    On SQLite the old database stays beside it as `rapport.db.replaced`. On PostgreSQL rows are replaced only if `replace`
    says so, in one transaction, and only while nobody else is connected.
    """
    manifest = check(source)
    if not knows(manifest["revision"]):
        raise RuntimeError("A newer version of Rapport made this backup. Install that version. Nothing was changed.")
    if is_shared(url) != (source / TABLES).exists():
        raise RuntimeError(
            "This backup is of the other database: SQLite and PostgreSQL cannot be mixed. Nothing was changed."
        )
    data_dir.mkdir(parents=True, exist_ok=True)
    if (source / FILES).exists():
        shutil.copytree(source / FILES, data_dir / FILES, dirs_exist_ok=True)
    if (source / SECRET).exists() and not (data_dir / SECRET).exists():
        shutil.copy2(source / SECRET, data_dir / SECRET)
    epoch.forget(data_dir)  # first: a crash from here on must not leave the old epoch with the restored rows
    if is_shared(url):
        _restore_tables(source, url, manifest, replace=replace)
    else:
        _restore_file(source / DATABASE, Path(str(make_url(url).database)))
    migrate(url)


def _restore_file(source: Path, path: Path) -> None:
    fresh = path.with_name(path.name + ".restoring")
    shutil.copy2(source, fresh)
    sync_folder(fresh)
    for ending in ("-wal", "-shm", ""):
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(path.with_name(path.name + ASIDE + ending))
    fresh.rename(path)
    sync_folder(path.parent)


def _restore_tables(source: Path, url: str, manifest: dict[str, Any], *, replace: bool) -> None:
    found = current(url)
    if found is None:
        migrate(url, to=manifest["revision"])
    elif found != manifest["revision"]:
        raise RuntimeError(f"The database is at {found}, the backup at {manifest['revision']}: name an empty database.")
    engine = open_plain(url)
    with engine.connect() as connection, connection.begin():
        if others := others_connected(connection):
            raise RuntimeError(f"{others} other connections are open: stop every `inbox serve` and `inbox work` first.")
        if not replace and _count(connection, "workspace"):
            raise RuntimeError("This database is not empty: name another one, or say --replace.")
        dump.load(connection, source / TABLES, manifest["columns"])
        connection.execute(text("DELETE FROM epoch"))
    engine.dispose()


def check(source: Path) -> dict[str, Any]:
    """Whether a backup is whole; returns its list. Raises: RuntimeError naming the file that is not."""
    manifest = source / MANIFEST
    if not manifest.exists():
        raise RuntimeError(f"{source} is no backup: it has no {MANIFEST}.")
    listed: dict[str, Any] = json.loads(manifest.read_text())
    for name, expected in listed["sha256"].items():
        if not (source / name).exists() or _sum(source / name) != expected:
            raise RuntimeError(f"{name} in this backup is damaged or missing. Nothing was changed.")
    return listed


def _all(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
