"""The epoch names one life of the database: clients of another life fetch everything anew."""

from __future__ import annotations

import os
from pathlib import Path

from inbox.domain.ids import new_id
from inbox.domain.workspace import Epoch
from inbox.store.engine import insert_or_ignore, place_of
from inbox.store.files import sync_folder
from inbox.store.transaction import Transaction

FILE = "epoch"
EPOCH, START, PLACE = 1, 2, 3  # rows of the table


def settle(tx: Transaction, data_dir: Path | None) -> str:
    """The epoch of this database, called at each start. A new one when it was copied, restored or wound back by hand.

    On SQLite the file beside it tells: it names the epoch, the newest start (so a copy from before it is seen) and the
    place of the file. `data_dir` None is PostgreSQL, which several hosts use: there the row names the place.
    """
    place = place_of(tx.connection)
    epoch = _row(tx, EPOCH)
    start = _row(tx, START)
    known = _row(tx, PLACE).value == place if data_dir is None else _read(data_dir) == [epoch.value, start.value, place]
    if not epoch.value or not known:
        renew(tx)
    start.value, start.at = new_id(), tx.now
    if data_dir is None:
        _row(tx, PLACE).value = place
    else:
        # Before the commit: if that fails the two differ, and a new epoch costs clients one fetch, while the other way
        # round a copy could pass for the original.
        _write(data_dir, [epoch.value, start.value, place])
    return epoch.value


def renew(tx: Transaction) -> str:
    """A new epoch: what a restored backup begins with."""
    row = _row(tx, EPOCH)
    row.value, row.at = new_id(), tx.now
    return row.value


def forget(data_dir: Path) -> None:
    """Let the next start begin a new epoch, whatever the database says."""
    (data_dir / FILE).unlink(missing_ok=True)
    sync_folder(data_dir)


def _row(tx: Transaction, number: int) -> Epoch:
    """Locked, for several processes may start at once."""
    tx.connection.execute(insert_or_ignore(Epoch.__table__).values(id=number, value="", at=tx.now))  # type: ignore[attr-defined]
    return tx.session.get_one(Epoch, number, with_for_update=True)


def _read(data_dir: Path) -> list[str]:
    try:
        return (data_dir / FILE).read_text().split()
    except FileNotFoundError:
        return []


def _write(data_dir: Path, words: list[str]) -> None:
    part = data_dir / f"{FILE}.part"
    with part.open("w") as file:
        file.write("\n".join(words) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(data_dir / FILE)
    sync_folder(data_dir)
