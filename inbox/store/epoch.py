"""The epoch names one life of the database: clients of another life fetch everything anew."""

from __future__ import annotations

from pathlib import Path

from inbox.domain.ids import new_id
from inbox.domain.workspace import Epoch
from inbox.store.transaction import Transaction

FILE = "epoch"


def settle(tx: Transaction, data_dir: Path | None) -> str:
    """The epoch of this database. A new one when the file beside it says otherwise: it was copied or restored by hand.

    `data_dir` None (PostgreSQL, whose files are its own) trusts the row alone.
    """
    row = tx.session.get(Epoch, 1)
    beside = data_dir / FILE if data_dir is not None else None
    known = beside.read_text().strip() if beside is not None and beside.exists() else None
    if row is None:
        row = tx.add(Epoch(id=1, value=new_id(), at=tx.now))
    elif beside is not None and known != row.value:
        row.value, row.at = new_id(), tx.now
    if beside is not None:
        beside.write_text(row.value)
    return row.value


def renew(tx: Transaction) -> str:
    """A new epoch: what a restored backup begins with."""
    row = tx.session.get(Epoch, 1) or tx.add(Epoch(id=1, value="", at=tx.now))
    row.value, row.at = new_id(), tx.now
    return row.value
