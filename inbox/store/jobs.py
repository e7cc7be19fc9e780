"""Jobs: claimed with a lease and a fencing token, so that no two workers' words about one count."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import and_, func, or_, select, update

from inbox.domain.job import Job
from inbox.store.transaction import Reading, Transaction

CLAIM_SIZE = 50
LEASE_SECONDS = 60
MAX_ATTEMPTS = 12
_JOB = Job.__table__  # type: ignore[attr-defined]
J = _JOB.c


class Claimed(msgspec.Struct, frozen=True):
    """A job in a worker's hands. `fence` must still be the row's when its end is recorded."""

    workspace_id: str
    id: str
    kind: str
    payload: dict[str, Any]
    attempts: int
    fence: int


def claim_across_workspaces(tx: Transaction, owner: str, *, most: int = CLAIM_SIZE) -> list[Claimed]:
    """Take up to `most` due jobs for `owner` (this process's start id).

    A running job is taken over when its lease ran out; on SQLite, where one process works, also when its owner is another
    start: that process is dead. PostgreSQL's own clock judges leases, for the hosts' clocks differ.
    """
    now = func.now() if tx.is_shared else tx.now
    until = func.now() + timedelta(seconds=LEASE_SECONDS) if tx.is_shared else tx.now + timedelta(seconds=LEASE_SECONDS)
    abandoned = and_(J.state == "running", J.lease_until < now)
    if not tx.is_shared:
        abandoned = or_(abandoned, and_(J.state == "running", J.lease_owner != owner))
    due = (
        select(J.workspace_id, J.id)
        .where(or_(and_(J.state == "ready", J.run_at <= tx.now), abandoned))
        .order_by(J.run_at)
        .limit(most)
    )
    if tx.is_shared:
        due = due.with_for_update(skip_locked=True)
    keys = tx.connection.execute(due).all()
    claimed = []
    for workspace_id, job_id in keys:
        taken = (
            update(_JOB)
            .where(J.workspace_id == workspace_id, J.id == job_id)
            .values(
                state="running",
                lease_owner=owner,
                lease_until=until,
                fence=J.fence + 1,
                attempts=J.attempts + 1,
            )
            .returning(J.workspace_id, J.id, J.kind, J.payload, J.attempts, J.fence)
        )
        claimed.append(Claimed(*tx.connection.execute(taken).one()))
    return claimed


def finish(tx: Transaction, job: Claimed) -> bool:
    """It is done. False when another worker took it over meanwhile: then this word counts for nothing."""
    return _end(tx, job, state="done", finished_at=tx.now)


def retry(tx: Transaction, job: Claimed, run_at: datetime, error: str) -> bool:
    """Try again at `run_at`; after the last attempt it is buried where an operator sees it."""
    if job.attempts >= MAX_ATTEMPTS:
        return bury(tx, job, error)
    return _end(tx, job, state="ready", run_at=run_at, error=error[:500])


def bury(tx: Transaction, job: Claimed, error: str) -> bool:
    """It will not work as it is."""
    return _end(tx, job, state="buried", error=error[:500], finished_at=tx.now)


def dig_up(tx: Transaction, job_id: str) -> bool:
    """Run a buried job again, from its first attempt."""
    again = (
        update(_JOB)
        .where(J.workspace_id == tx.workspace_id, J.id == job_id, J.state == "buried")
        .values(state="ready", run_at=tx.now, attempts=0, error="")
    )
    tx.wakes_worker = True
    return tx.connection.execute(again).rowcount == 1


def _end(tx: Transaction, job: Claimed, **values: Any) -> bool:
    ended = (
        update(_JOB)
        .where(J.workspace_id == job.workspace_id, J.id == job.id, J.fence == job.fence, J.state == "running")
        .values(lease_owner="", lease_until=None, **values)
    )
    return tx.connection.execute(ended).rowcount == 1


def states_across_workspaces(rx: Reading) -> dict[str, int]:
    """How many jobs in each state, for metrics and doctor."""
    return dict(rx.connection.execute(select(J.state, func.count()).group_by(J.state)).all())
