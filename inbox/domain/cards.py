"""What pages and live fragments draw: frozen, already readable by the viewer, the same for every watcher of one topic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from inbox.domain.ids import initials, person_hue


class PersonCard(msgspec.Struct, frozen=True):
    """An agent or a contact as a face: hue is one of 0..11 and becomes the class `hue-N`."""

    id: str
    name: str
    initials: str
    hue: int


def face(person_id: str, name: str) -> PersonCard:
    """A person as lists and bubbles show them."""
    return PersonCard(person_id, name, initials(name), person_hue(person_id))


class RowCard(msgspec.Struct, frozen=True):
    """One conversation in a list, its thread's head and its cards.

    `due_at` is None when no clock runs; `target_seconds` is the promise it counts against. `owed_since` set means "needs us".
    `sort` is the list's order as text (what is due first, then what was touched last).
    `inbound_count` against the reader's mark gives the unread badge.
    `snippet_by` is `contact`, `team`, `note` or `system`.
    """

    id: str
    contact: PersonCard
    medium: str
    kind: str
    is_public: bool
    inbox_id: str
    inbox_name: str
    subject: str
    snippet: str
    snippet_by: str
    last_at: datetime
    status: str
    owed_since: datetime | None
    due_at: datetime | None
    target_seconds: int
    snoozed_until: datetime | None
    assignee: PersonCard | None
    team_name: str
    inbound_count: int
    reopen_count: int
    resolved_at: datetime | None
    resolved_by: str
    sort: str
    last_message_id: str


class MessageCard(msgspec.Struct, frozen=True):
    """One entry of a thread.

    `direction` is `inbound`, `outbound`, `note` or `system`.
    `state` (outbound only) is held, queued, sending, sent, delivered, read, failed or unknown.
    `event` (system only) names what happened: opened, assigned, unassigned, snoozed, unsnoozed, resolved, reopened;
    `about` is the person it happened to.
    `sort` orders the feed as text.
    """

    id: str
    conversation_id: str
    direction: str
    author: PersonCard | None
    author_kind: str
    body: str
    at: datetime
    state: str
    reason: str
    client_id: str
    event: str
    about: PersonCard | None
    sort: str


class ContactCard(msgspec.Struct, frozen=True):
    """The person behind a conversation: the Person card. `addresses` are (medium, address, grade)."""

    person: PersonCard
    language: str
    city: str
    since: datetime
    addresses: tuple[tuple[str, str, str], ...]
    history: tuple[tuple[str, str, str, datetime], ...]


class ThreadCard(msgspec.Struct, frozen=True):
    """An open conversation. `messages` are oldest first; `older` is the sort key to ask older ones with, empty when all are here.

    `seen_upto` is the sort key of the last outbound message the visitor has read, empty for none.
    """

    row: RowCard
    contact: ContactCard
    messages: tuple[MessageCard, ...]
    older: str
    can_reply: bool


class ListCard(msgspec.Struct, frozen=True):
    """One page of a list. `until` is the sort key of its last row when more follow, else empty."""

    key: str
    rows: tuple[RowCard, ...]
    until: str


class CountsCard(msgspec.Struct, frozen=True):
    """The rail's numbers for one access scope; `mine` belongs to one seat. `late` counts rows of `open` past their due time."""

    open: int
    unassigned: int
    snoozed: int
    resolved: int
    needs_us: int
    waiting: int
    late: int
    unassigned_late: int
    media: tuple[tuple[str, int], ...]


def tally(groups: Sequence[Any], agent_id: str) -> tuple[CountsCard, int]:
    """Sum groups of (status, assignee, owes nothing, late, medium, number)."""
    total = dict.fromkeys(
        ("open", "unassigned", "snoozed", "resolved", "needs_us", "waiting", "late", "unassigned_late"), 0
    )
    media: dict[str, int] = {}
    mine = 0
    for status, assignee, is_free, is_late, medium, number in groups:
        total[status] += number
        if status != "open":
            continue
        total["waiting" if is_free else "needs_us"] += number
        total["late"] += number if is_late else 0
        media[medium] = media.get(medium, 0) + number
        if assignee is None:
            total["unassigned"] += number
            total["unassigned_late"] += number if is_late else 0
        mine += number if assignee == agent_id else 0
    ordered = tuple(sorted(media.items(), key=lambda pair: (-pair[1], pair[0])))
    return CountsCard(media=ordered, **total), mine
