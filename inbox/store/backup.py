"""Online backup and restore: a committed moment of the database, the files it names, and a list to check them by."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from inbox.domain.clock import iso, utc_now
from inbox.store.engine import copy_file, is_shared

MANIFEST = "manifest.json"
DATABASE = "rapport.db"
FILES = "files"


def backup(url: str, data_dir: Path, target: Path) -> None:
    """Copy everything to `target`, a folder that must not exist yet, while the server goes on.

    The database first, then the files: whatever a row names was on disk before the row. Raises: RuntimeError.
    """
    if target.exists():
        raise RuntimeError(f"{target} exists already: name a new folder.")
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    copy_file(url, part / DATABASE)
    if (data_dir / FILES).exists():
        shutil.copytree(data_dir / FILES, part / FILES)
    secret = data_dir / "secret"
    if secret.exists():
        shutil.copy2(secret, part / "secret")
    sums = {path.relative_to(part).as_posix(): _sum(path) for path in _all(part)}
    (part / MANIFEST).write_text(json.dumps({"made_at": iso(utc_now()), "sha256": sums}, indent=1))
    part.rename(target)


def restore(source: Path, url: str, data_dir: Path) -> None:
    """Put a backup in place of what is there, under a new epoch. The caller holds the writer's lock. Raises: RuntimeError."""
    if is_shared(url):
        raise RuntimeError("Restore PostgreSQL with its own pg_restore, then run `inbox migrate`.")
    check(source)
    path = Path(url.removeprefix("sqlite:///"))
    fresh = path.with_name(path.name + ".restoring")
    shutil.copy2(source / DATABASE, fresh)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    fresh.rename(path)
    if (source / FILES).exists():
        shutil.copytree(source / FILES, data_dir / FILES, dirs_exist_ok=True)
    if (source / "secret").exists() and not (data_dir / "secret").exists():
        shutil.copy2(source / "secret", data_dir / "secret")
    # The file beside the database no longer names its epoch: the next start gives both a new one.
    (data_dir / "epoch").unlink(missing_ok=True)


def check(source: Path) -> None:
    """Whether a backup is whole. Raises: RuntimeError naming the file that is not."""
    manifest = source / MANIFEST
    if not manifest.exists():
        raise RuntimeError(f"{source} is no backup: it has no {MANIFEST}.")
    for name, expected in json.loads(manifest.read_text())["sha256"].items():
        if not (source / name).exists() or _sum(source / name) != expected:
            raise RuntimeError(f"{name} in this backup is damaged or missing. Nothing was changed.")


def _all(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
