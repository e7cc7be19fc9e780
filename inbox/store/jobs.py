"""Jobs: claimed with a lease and a fencing token, so that no two workers' words about one count."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import and_, delete, exists, func, or_, select, tuple_, update

from inbox.domain.access import Viewer
from inbox.domain.job import Job
from inbox.store.transaction import Reading, Transaction, repeatable

CLAIM_SIZE = 50
LEASE_SECONDS = 60
MAX_ATTEMPTS = 20  # with the worker's back-off about an hour and a half: so long may a vendor be down
MAX_ERROR = 500  # characters kept of why a try failed
KEEP_DONE_DAYS = 1
FORGET_SIZE = 500
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

    @property
    def is_last_try(self) -> bool:
        return self.attempts >= MAX_ATTEMPTS


class Dead(msgspec.Struct, frozen=True):
    """A buried job as an operator sees it."""

    id: str
    kind: str
    error: str
    attempts: int
    buried_at: datetime


def claim_across_workspaces(
    tx: Transaction, owner: str, *, most: int = CLAIM_SIZE, kinds: Collection[str] | None = None
) -> list[Claimed]:
    """Take up to `most` due jobs of `kinds` (None: any) for `owner`, this process's start id; the longest due first.

    A running job is taken over when it was abandoned. On PostgreSQL: when its lease ran out by the database's own clock, for the
    hosts' clocks differ. On SQLite, where one process works: when it belongs to another start, which is dead; no clock can tell that.
    """
    due = (
        select(J.workspace_id, J.id).where(or_(_ready(tx), _abandoned(tx, owner))).order_by(J.run_at, J.id).limit(most)
    )
    if kinds is not None:
        due = due.where(J.kind.in_(kinds))
    # Materialized, or PostgreSQL may run the inner query again for each row and take more than `most`.
    picked = due.with_for_update(skip_locked=True).cte("picked").prefix_with("MATERIALIZED", dialect="postgresql")
    now = func.now() if tx.is_shared else tx.now
    taken = (
        update(_JOB)
        .where(J.workspace_id == picked.c.workspace_id, J.id == picked.c.id)
        .values(
            state="running",
            lease_owner=owner,
            lease_until=now + timedelta(seconds=LEASE_SECONDS),
            fence=J.fence + 1,
            attempts=J.attempts + 1,
        )
        .returning(J.workspace_id, J.id, J.kind, J.payload, J.attempts, J.fence)
    )
    claimed = [Claimed(*row) for row in tx.connection.execute(taken)]
    return sorted(claimed, key=lambda job: job.id)


def outlook_across_workspaces(rx: Reading, owner: str, kinds: Collection[str]) -> float | None:
    """Seconds until the next job of `kinds` is due; 0 when one is due or abandoned, None when nothing waits."""
    is_abandoned = exists().where(_abandoned(rx, owner), J.kind.in_(kinds)).select()
    if rx.connection.execute(is_abandoned).scalar():
        return 0.0
    query = select(func.min(J.run_at)).where(J.state == "ready", J.kind.in_(kinds))
    next_due: datetime | None = rx.connection.execute(query).scalar()
    return None if next_due is None else max(0.0, (next_due - rx.now).total_seconds())


def _ready(rx: Reading) -> Any:
    return and_(J.state == "ready", J.run_at <= rx.now)


def _abandoned(rx: Reading, owner: str) -> Any:
    if rx.connection.dialect.name == "postgresql":
        return and_(J.state == "running", J.lease_until < func.now())
    return and_(J.state == "running", J.lease_owner != owner)


@repeatable
def finish(tx: Transaction, job: Claimed) -> bool:
    """It is done. False when another worker took it over meanwhile: then this word counts for nothing."""
    return _end(tx, job, state="done", finished_at=tx.now, error="")


@repeatable
def retry(tx: Transaction, job: Claimed, run_at: datetime, error: str, *, counts: bool = True) -> bool:
    """Try again at `run_at`; after the last attempt it is buried where an operator sees it.

    `counts` false gives the attempt back: it was not the job's fault (its turn had not come, or this process stops).
    """
    if counts and job.is_last_try:
        return bury(tx, job, error)
    attempts = job.attempts if counts else job.attempts - 1
    return _end(tx, job, state="ready", run_at=run_at, error=error[:MAX_ERROR], attempts=attempts)


@repeatable
def bury(tx: Transaction, job: Claimed, error: str) -> bool:
    """It will not work as it is."""
    return _end(tx, job, state="buried", error=error[:MAX_ERROR], finished_at=tx.now)


def _end(tx: Transaction, job: Claimed, **values: Any) -> bool:
    ended = (
        update(_JOB)
        .where(J.workspace_id == job.workspace_id, J.id == job.id, J.fence == job.fence, J.state == "running")
        .values(lease_owner="", lease_until=None, **values)
    )
    return tx.connection.execute(ended).rowcount == 1


def is_held(tx: Transaction, job: Claimed) -> bool:
    """Whether the job is still this claim's."""
    query = select(J.fence).where(J.workspace_id == job.workspace_id, J.id == job.id, J.state == "running")
    return bool(tx.connection.execute(query).scalar() == job.fence)


def hasten(tx: Transaction, key: str) -> None:
    """The job put under `key` need not wait any longer."""
    now = update(_JOB).where(J.workspace_id == tx.workspace_id, J.key == key, J.state == "ready", J.run_at > tx.now)
    if tx.connection.execute(now.values(run_at=tx.now)).rowcount:
        tx.wakes_worker = True


def dead(rx: Reading, *, viewer: Viewer, limit: int = 100) -> list[Dead]:
    """Buried jobs of a workspace, the newest first."""
    query = (
        select(J.id, J.kind, J.error, J.attempts, J.finished_at)
        .where(J.workspace_id == viewer.workspace_id, J.state == "buried")
        .order_by(J.finished_at.desc())
        .limit(limit)
    )
    return [Dead(*row) for row in rx.connection.execute(query)]


def dig_up(tx: Transaction, job_id: str) -> bool:
    """Run a buried job again, from its first attempt."""
    again = (
        update(_JOB)
        .where(J.workspace_id == tx.workspace_id, J.id == job_id, J.state == "buried")
        .values(state="ready", run_at=tx.now, attempts=0, error="", finished_at=None)
    )
    tx.wakes_worker = True
    return tx.connection.execute(again).rowcount == 1


def put_again(tx: Transaction, key: str) -> bool:
    """Run the job put under `key` once more, though it ended. False when there is none, or it has not ended."""
    again = (
        update(_JOB)
        .where(J.workspace_id == tx.workspace_id, J.key == key, J.state.in_(("done", "buried")))
        .values(state="ready", run_at=tx.now, attempts=0, error="", finished_at=None)
    )
    tx.wakes_worker = True
    return tx.connection.execute(again).rowcount == 1


def forget_done(tx: Transaction) -> int:
    """Remove what was done more than a day ago, a slice at a time. Returns how many rows went."""
    before = tx.now - timedelta(days=KEEP_DONE_DAYS)
    # Nothing ends before it was due, and by the due time there is an index.
    old = select(J.workspace_id, J.id).where(J.state == "done", J.run_at < before, J.finished_at < before)
    gone = delete(_JOB).where(tuple_(J.workspace_id, J.id).in_(old.limit(FORGET_SIZE)))
    return int(tx.connection.execute(gone).rowcount)


def states_across_workspaces(rx: Reading) -> dict[str, int]:
    """How many jobs in each state, for metrics and doctor."""
    return dict(rx.connection.execute(select(J.state, func.count()).group_by(J.state)).all())
