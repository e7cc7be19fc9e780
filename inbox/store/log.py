"""The order of changes: events stamped at commit, read back by seq or by a visitor's own number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Connection, delete, insert, select, update

from inbox.domain.events import (
    TYPE_NAMES,
    Event,
    EventRow,
    Stamped,
    ThreadEvent,
    decode,
    encode,
)
from inbox.domain.transit import Who
from inbox.domain.workspace import LogHead
from inbox.store.transaction import Reading

KEEP_DAYS = 30
FORGET_SIZE = 500  # events cut in one action
_HEAD = LogHead.__table__  # type: ignore[attr-defined]
_EVENT = EventRow.__table__  # type: ignore[attr-defined]
_INSERT = insert(_EVENT)


def stamp(connection: Connection, pending: Sequence[tuple[Who, datetime, Event]]) -> list[Stamped]:
    """Give each event its seq and write it: the last statements before commit, workspaces ascending.

    The counter row is locked from here to the commit, so seqs become visible in order (a database sequence may commit
    out of order, and a cursor would then skip rows for ever).
    """
    by_workspace: dict[str, list[tuple[Who, datetime, Event]]] = {}
    for entry in pending:
        by_workspace.setdefault(entry[0].workspace_id, []).append(entry)
    stamped: list[Stamped] = []
    for workspace_id in sorted(by_workspace):
        entries = by_workspace[workspace_id]
        bump = update(_HEAD).where(_HEAD.c.workspace_id == workspace_id).values(seq=_HEAD.c.seq + len(entries))
        last = connection.execute(bump.returning(_HEAD.c.seq)).scalar_one()
        first = last - len(entries) + 1
        rows = []
        for seq, (who, at, event) in enumerate(entries, first):
            name = TYPE_NAMES[type(event)]
            public = isinstance(event, ThreadEvent) and event.visitor_seq > 0
            rows.append(
                {
                    "workspace_id": workspace_id,
                    "seq": seq,
                    "type": name,
                    "at": at,
                    "actor_kind": who.actor_kind,
                    "actor_id": who.actor_id,
                    "thread_id": event.thread_id if public else None,  # type: ignore[attr-defined]
                    "visitor_seq": event.visitor_seq if public else None,  # type: ignore[attr-defined]
                    "data": encode(event),
                }
            )
            stamped.append(Stamped(workspace_id, seq, at, who.actor_kind, who.actor_id, event, name))
        connection.execute(_INSERT, rows)
    return stamped


def head(rx: Reading, workspace_id: str) -> int:
    """The seq of the newest event."""
    found = rx.connection.execute(select(_HEAD.c.seq).where(_HEAD.c.workspace_id == workspace_id)).scalar()
    return int(found or 0)


def heads(rx: Reading, workspace_ids: Sequence[str]) -> dict[str, int]:
    """The heads of several workspaces in one query: what each process asks once a second, bell or no bell."""
    query = select(_HEAD.c.workspace_id, _HEAD.c.seq).where(_HEAD.c.workspace_id.in_(workspace_ids))
    return {row.workspace_id: row.seq for row in rx.connection.execute(query)}


def kept_from(rx: Reading, workspace_id: str) -> int:
    """The oldest seq still in the log."""
    query = select(_HEAD.c.kept_from).where(_HEAD.c.workspace_id == workspace_id)
    return int(rx.connection.execute(query).scalar() or 1)


def since(rx: Reading, workspace_id: str, after: int, limit: int) -> list[Stamped]:
    """Events in (after, …], oldest first, at most `limit`."""
    query = (
        select(_EVENT)
        .where(_EVENT.c.workspace_id == workspace_id, _EVENT.c.seq > after)
        .order_by(_EVENT.c.seq)
        .limit(limit)
    )
    return [_stamped(row) for row in rx.connection.execute(query).mappings()]


def thread_since(rx: Reading, workspace_id: str, thread_id: str, after: int, limit: int) -> list[Stamped]:
    """A thread's public events numbered above `after`, oldest first."""
    query = (
        select(_EVENT)
        .where(
            _EVENT.c.workspace_id == workspace_id,
            _EVENT.c.thread_id == thread_id,
            _EVENT.c.visitor_seq > after,
        )
        .order_by(_EVENT.c.visitor_seq)
        .limit(limit)
    )
    return [_stamped(row) for row in rx.connection.execute(query).mappings()]


def forget_old(
    connection: Connection, workspace_id: str, now: datetime, *, keep_days: int = KEEP_DAYS, most: int = FORGET_SIZE
) -> int:
    """Cut at most `most` events behind `keep_days`, the oldest first; clients that were away longer reset.

    Returns the rows removed: as many as `most` means that there are more. Walks from the oldest event, for the log has
    no index by time and a search for the newest old one would read all thirty days on the writer.
    """
    oldest = (
        select(_EVENT.c.seq, _EVENT.c.at)
        .where(_EVENT.c.workspace_id == workspace_id)
        .order_by(_EVENT.c.seq)
        .limit(most)
    )
    before = now - timedelta(days=keep_days)
    old = [row.seq for row in takewhile(lambda row: row.at < before, connection.execute(oldest))]
    if not old:
        return 0
    connection.execute(delete(_EVENT).where(_EVENT.c.workspace_id == workspace_id, _EVENT.c.seq <= old[-1]))
    connection.execute(update(_HEAD).where(_HEAD.c.workspace_id == workspace_id).values(kept_from=old[-1] + 1))
    return len(old)


def _stamped(row: object) -> Stamped:
    event = decode(row["type"], row["data"])  # type: ignore[index]
    return Stamped(
        row["workspace_id"],  # type: ignore[index]
        row["seq"],  # type: ignore[index]
        row["at"],  # type: ignore[index]
        row["actor_kind"],  # type: ignore[index]
        row["actor_id"],  # type: ignore[index]
        event,
        row["type"],  # type: ignore[index]
    )
