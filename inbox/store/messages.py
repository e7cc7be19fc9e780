"""Questions about messages: the feed of an open conversation, and what a visitor sees of a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import and_, select

from inbox.domain.access import Permission, Viewer, may
from inbox.domain.agent import Agent
from inbox.domain.cards import ContactCard, MessageCard, PersonCard, ThreadCard, face
from inbox.domain.contact import Contact, ContactIdentity
from inbox.domain.conversation import Conversation
from inbox.domain.message import DeliveryState, Message
from inbox.domain.threading import Thread
from inbox.store import conversations
from inbox.store.transaction import Reading

FEED_SIZE = 60
TRANSCRIPT_SIZE = 200
HISTORY_SIZE = 3
M = Message.__table__.c  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_AGENT = Agent.__table__  # type: ignore[attr-defined]
_CONTACT = Contact.__table__  # type: ignore[attr-defined]
_THREAD = Thread.__table__  # type: ignore[attr-defined]

_CARD = (
    select(
        M.id,
        M.conversation_id,
        M.direction,
        M.author_kind,
        M.author_id,
        M.body,
        M.data,
        M.created_at,
        M.state,
        M.reason,
        M.client_id,
        M.visitor_seq,
        M.thread_id,
        _AGENT.c.name.label("agent_name"),
        _CONTACT.c.name.label("contact_name"),
        _THREAD.c.visitor_read_seq,
    )
    .select_from(_MESSAGE)
    .outerjoin(_AGENT, and_(_AGENT.c.workspace_id == M.workspace_id, _AGENT.c.id == M.author_id))
    .outerjoin(_CONTACT, and_(_CONTACT.c.workspace_id == M.workspace_id, _CONTACT.c.id == M.author_id))
    .outerjoin(_THREAD, and_(_THREAD.c.workspace_id == M.workspace_id, _THREAD.c.id == M.thread_id))
)


class ThreadNow(msgspec.Struct, frozen=True):
    """A visitor's line as it stands."""

    id: str
    visitor_seq: int
    visitor_read_seq: int
    team_read_seq: int
    conversation_id: str | None
    status: str
    contact_id: str
    is_blocked: bool


def feed(
    rx: Reading, viewer: Viewer, conversation_id: str, before: str = "", size: int = FEED_SIZE
) -> tuple[tuple[MessageCard, ...], str]:
    """The newest messages (before the sort key `before`), oldest first, and the key to ask older ones with. Raises: NotFound."""
    conversations.require_visible(rx, viewer, conversation_id)
    query = _CARD.where(M.workspace_id == viewer.workspace_id, M.conversation_id == conversation_id)
    if before:
        query = query.where(M.id < before)
    found = _cards(rx, rx.connection.execute(query.order_by(M.id.desc()).limit(size + 1)), viewer.workspace_id)
    more = len(found) > size
    cards = tuple(reversed(found[:size]))
    return cards, cards[0].sort if more and cards else ""


def cards_for_drawing_across_workspaces(rx: Reading, workspace_id: str, ids: Collection[str]) -> dict[str, MessageCard]:
    """Messages by id for the hub, which decides per topic who may see them."""
    query = _CARD.where(M.workspace_id == workspace_id, M.id.in_(ids))
    return {c.id: c for c in _cards(rx, rx.connection.execute(query), workspace_id)}


def read_between_across_workspaces(rx: Reading, workspace_id: str, thread_ids: Collection[str]) -> list[MessageCard]:
    """Outbound messages whose tick a visitor's read mark may have turned, newest few of each thread."""
    query = (
        _CARD.where(
            M.workspace_id == workspace_id,
            M.thread_id.in_(thread_ids),
            M.direction == "outbound",
            M.visitor_seq <= _THREAD.c.visitor_read_seq,
        )
        .order_by(M.id.desc())
        .limit(20 * max(1, len(thread_ids)))
    )
    return _cards(rx, rx.connection.execute(query), workspace_id)


def inbound_across_workspaces(rx: Reading, workspace_id: str, ids: Collection[str]) -> list[MessageCard]:
    """What contacts said in these conversations, as far back as an open feed shows: their name stands beside it."""
    query = (
        _CARD.where(M.workspace_id == workspace_id, M.conversation_id.in_(ids), M.direction == "inbound")
        .order_by(M.id.desc())
        .limit(FEED_SIZE * len(ids))
    )
    return _cards(rx, rx.connection.execute(query), workspace_id)


def thread(rx: Reading, viewer: Viewer, conversation_id: str) -> ThreadCard:
    """An open conversation as its page shows it. Raises: NotFound."""
    row = conversations.row(rx, viewer, conversation_id)
    messages, older = feed(rx, viewer, conversation_id)
    return ThreadCard(
        row=row,
        contact=contact(rx, viewer, row.contact.id, conversation_id),
        messages=messages,
        older=older,
        can_reply=may(viewer, Permission.REPLY),
    )


def contact(rx: Reading, viewer: Viewer, contact_id: str, but: str) -> ContactCard:
    """The person, their addresses (if the viewer may see those) and their latest other conversations."""
    person = rx.session.get(Contact, (viewer.workspace_id, contact_id))
    assert person is not None
    identity = ContactIdentity.__table__.c  # type: ignore[attr-defined]
    of_person = and_(identity.workspace_id == viewer.workspace_id, identity.contact_id == contact_id)
    addresses = rx.connection.execute(select(identity.medium, identity.address, identity.grade).where(of_person))
    shown = addresses.all() if may(viewer, Permission.SEE_ADDRESSES) else []
    c = Conversation.__table__.c  # type: ignore[attr-defined]
    others = (
        select(c.id, c.latest_medium, c.subject, c.created_at)
        .where(conversations.visible(viewer), c.contact_id == contact_id, c.id != but)
        .order_by(c.created_at.desc())
        .limit(HISTORY_SIZE)
    )
    return ContactCard(
        person=face(person.id, person.name),
        language=person.language,
        city=person.city,
        since=person.created_at,
        addresses=tuple((m, a, g) for m, a, g in shown if m != "webchat"),
        history=tuple((i, m, s, at) for i, m, s, at in rx.connection.execute(others)),
    )


def thread_now_across_workspaces(rx: Reading, workspace_id: str, inbox_id: str, key: str) -> ThreadNow | None:
    """The line a visitor's token names, or None before the first message."""
    t = _THREAD.c
    c = Conversation.__table__.c  # type: ignore[attr-defined]
    identity = ContactIdentity.__table__  # type: ignore[attr-defined]
    i = identity.c
    query = (
        select(
            t.id,
            t.visitor_seq,
            t.visitor_read_seq,
            t.team_read_seq,
            t.current_conversation_id,
            c.status,
            i.contact_id,
            _CONTACT.c.blocked_at.is_not(None),
        )
        .join(identity, and_(i.workspace_id == t.workspace_id, i.id == t.identity_id))
        .join(_CONTACT, and_(_CONTACT.c.workspace_id == t.workspace_id, _CONTACT.c.id == i.contact_id))
        .outerjoin(
            Conversation.__table__,  # type: ignore[attr-defined]
            and_(c.workspace_id == t.workspace_id, c.id == t.current_conversation_id),
        )
        .where(t.workspace_id == workspace_id, t.inbox_id == inbox_id, t.external_key == key)
    )
    found = rx.connection.execute(query).first()
    return None if found is None else ThreadNow(*found)


def transcript_across_workspaces(rx: Reading, workspace_id: str, thread_id: str) -> list[tuple[int, MessageCard]]:
    """What a visitor sees of their own line: public messages only, newest 200, oldest first."""
    query = (
        _CARD.where(
            M.workspace_id == workspace_id,
            M.thread_id == thread_id,
            M.visitor_seq.is_not(None),
            M.direction.in_(("inbound", "outbound")),
        )
        .order_by(M.visitor_seq.desc())
        .limit(TRANSCRIPT_SIZE)
    )
    rows = rx.connection.execute(query).all()
    numbers = [r.visitor_seq for r in rows]
    return list(reversed(list(zip(numbers, _cards(rx, rows, workspace_id), strict=True))))


def _cards(rx: Reading, rows: Iterable[Any], workspace_id: str) -> list[MessageCard]:
    kept = list(rows)
    about = {r.data["about"] for r in kept if r.data and r.data.get("about")}
    people = _people(rx, workspace_id, about) if about else {}
    return [_card(r, people) for r in kept]


def _people(rx: Reading, workspace_id: str, ids: Collection[str]) -> dict[str, PersonCard]:
    query = select(_AGENT.c.id, _AGENT.c.name).where(_AGENT.c.workspace_id == workspace_id, _AGENT.c.id.in_(ids))
    return {key: face(key, name) for key, name in rx.connection.execute(query)}


def _card(r: Any, people: dict[str, PersonCard]) -> MessageCard:
    name = r.agent_name or r.contact_name
    state = r.state
    if (
        state in (DeliveryState.SENT, DeliveryState.DELIVERED)
        and r.visitor_seq
        and r.visitor_seq <= (r.visitor_read_seq or 0)
    ):
        state = DeliveryState.READ
    return MessageCard(
        id=r.id,
        conversation_id=r.conversation_id,
        direction=r.direction,
        author=face(r.author_id, name) if name else None,
        author_kind=r.author_kind,
        body=r.body,
        at=r.created_at,
        state=str(state),
        reason=r.reason,
        client_id=r.client_id or "",
        event=r.data.get("event", "") if r.data else "",
        about=people.get(r.data.get("about", "")) if r.data else None,
        sort=r.id,
    )
