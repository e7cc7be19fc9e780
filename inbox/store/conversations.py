"""Questions about conversations: lists, one row, an open thread, the rail's numbers. Each asked through somebody's eyes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from inbox.domain.access import Permission, Viewer, may
from inbox.domain.agent import Agent, ReadMark, Team
from inbox.domain.cards import CountsCard, ListCard, RowCard, face, tally
from inbox.domain.contact import Contact
from inbox.domain.conversation import Conversation, ConversationInbox, Participant
from inbox.domain.errors import NotFound
from inbox.domain.inbox import Inbox
from inbox.domain.message import Message
from inbox.domain.views import STATUS_OF, Filter, Name, View
from inbox.store.transaction import Reading

PAGE_SIZE = 50
MAX_SNIPPET = 200
C = Conversation.__table__.c  # type: ignore[attr-defined]
_CONTACT = Contact.__table__  # type: ignore[attr-defined]
_AGENT = Agent.__table__  # type: ignore[attr-defined]
_TEAM = Team.__table__  # type: ignore[attr-defined]
_INBOX = Inbox.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_CONVERSATION = Conversation.__table__  # type: ignore[attr-defined]
_THROUGH = ConversationInbox.__table__  # type: ignore[attr-defined]
_PARTICIPANT = Participant.__table__  # type: ignore[attr-defined]
_MARK = ReadMark.__table__  # type: ignore[attr-defined]

_ROW = (
    select(
        C.id,
        C.contact_id,
        _CONTACT.c.name.label("contact_name"),
        C.latest_medium,
        C.latest_kind,
        C.is_public,
        C.inbox_id,
        _INBOX.c.name.label("inbox_name"),
        C.subject,
        func.substr(_MESSAGE.c.body, 1, MAX_SNIPPET).label("snippet"),
        _MESSAGE.c.direction.label("snippet_direction"),
        C.last_at,
        C.status,
        C.owed_since,
        C.due_at,
        C.target_seconds,
        C.snoozed_until,
        C.assignee_id,
        _AGENT.c.name.label("assignee_name"),
        _TEAM.c.name.label("team_name"),
        C.inbound_count,
        C.reopen_count,
        C.resolved_at,
        C.resolved_by,
        C.sort,
        C.last_message_id,
    )
    .select_from(_CONVERSATION)
    .join(_CONTACT, and_(_CONTACT.c.workspace_id == C.workspace_id, _CONTACT.c.id == C.contact_id))
    .join(_INBOX, and_(_INBOX.c.workspace_id == C.workspace_id, _INBOX.c.id == C.inbox_id))
    .outerjoin(_MESSAGE, and_(_MESSAGE.c.workspace_id == C.workspace_id, _MESSAGE.c.id == C.last_message_id))
    .outerjoin(_AGENT, and_(_AGENT.c.workspace_id == C.workspace_id, _AGENT.c.id == C.assignee_id))
    .outerjoin(_TEAM, and_(_TEAM.c.workspace_id == C.workspace_id, _TEAM.c.id == C.team_id))
)
_SPEAKER = {"inbound": "contact", "outbound": "team", "note": "note"}


def visible(viewer: Viewer) -> ColumnElement[bool]:
    """What this viewer may see of the conversation table: the one place that says so in SQL."""
    own: ColumnElement[bool] = C.workspace_id == viewer.workspace_id
    if viewer.only_participant:
        return and_(own, _let_in(viewer))
    if viewer.inbox_ids is None:
        return own
    through = (
        select(_THROUGH.c.conversation_id)
        .where(
            _THROUGH.c.workspace_id == viewer.workspace_id,
            _THROUGH.c.conversation_id == C.id,
            _THROUGH.c.inbox_id.in_(sorted(viewer.inbox_ids)),
        )
        .exists()
    )
    return and_(own, or_(through, _let_in(viewer)))


def _let_in(viewer: Viewer) -> ColumnElement[bool]:
    return (
        select(_PARTICIPANT.c.conversation_id)
        .where(
            _PARTICIPANT.c.workspace_id == viewer.workspace_id,
            _PARTICIPANT.c.conversation_id == C.id,
            _PARTICIPANT.c.who_id == viewer.agent_id,
        )
        .exists()
    )


def require_visible(rx: Reading, viewer: Viewer, conversation_id: str) -> None:
    """Raises: NotFound, the same for what does not exist and for what is not this viewer's to see."""
    found = rx.connection.execute(select(C.id).where(visible(viewer), C.id == conversation_id)).first()
    if found is None:
        raise NotFound("There is no such conversation, or it is not yours to see.")


def within(view: View, viewer: Viewer) -> ColumnElement[bool]:
    """The rows of a list, in SQL. `View.holds` says the same of one row (a test compares the two)."""
    parts = [visible(viewer), C.status == STATUS_OF[view.name], C.merged_into_id.is_(None)]
    if view.name is Name.MINE:
        parts.append(C.assignee_id == viewer.agent_id)
    if view.name is Name.UNASSIGNED:
        parts.append(C.assignee_id.is_(None))
    if view.filter is Filter.NEEDS_US:
        parts.append(C.owed_since.is_not(None))
    if view.filter is Filter.WAITING:
        parts.append(C.owed_since.is_(None))
    return and_(*parts)


def page(rx: Reading, viewer: Viewer, view: View, after: str = "", size: int = PAGE_SIZE) -> ListCard:
    """One page of a list behind the sort key `after`."""
    query = _ROW.where(within(view, viewer)).order_by(C.sort).limit(size + 1)
    if after:
        query = query.where(C.sort > after)
    rows = _cards(rx, query)
    more = len(rows) > size
    rows = rows[:size]
    return ListCard(view.key, tuple(rows), rows[-1].sort if more else "")


def row(rx: Reading, viewer: Viewer, conversation_id: str) -> RowCard:
    """Raises: NotFound."""
    found = _cards(rx, _ROW.where(visible(viewer), C.id == conversation_id))
    if not found:
        raise NotFound("There is no such conversation, or it is not yours to see.")
    return found[0]


def rows_by_id(rx: Reading, viewer: Viewer, ids: Collection[str]) -> dict[str, RowCard]:
    """Rows of these conversations, as far as the viewer may see them."""
    return {r.id: r for r in _cards(rx, _ROW.where(visible(viewer), C.id.in_(ids)))}


def rows_for_drawing_across_workspaces(rx: Reading, workspace_id: str, ids: Collection[str]) -> dict[str, RowCard]:
    """Rows by id for the hub, which decides per topic who may see them."""
    return {r.id: r for r in _cards(rx, _ROW.where(C.workspace_id == workspace_id, C.id.in_(ids)))}


def let_in_across_workspaces(rx: Reading, workspace_id: str, ids: Collection[str]) -> dict[str, frozenset[str]]:
    """Whom each conversation was opened to by name, for the hub."""
    query = select(_PARTICIPANT.c.conversation_id, _PARTICIPANT.c.who_id).where(
        _PARTICIPANT.c.workspace_id == workspace_id, _PARTICIPANT.c.conversation_id.in_(ids)
    )
    found: dict[str, set[str]] = {}
    for conversation_id, who_id in rx.connection.execute(query):
        found.setdefault(conversation_id, set()).add(who_id)
    return {key: frozenset(value) for key, value in found.items()}


def counts(rx: Reading, viewer: Viewer) -> tuple[CountsCard, int]:
    """The rail's numbers for the viewer's scope, and the number of their own open ones."""
    return tally([(*key, n) for key, n in count_groups(rx, viewer).items()], viewer.agent_id)


def count_groups(rx: Reading, viewer: Viewer) -> dict[tuple[Any, ...], int]:
    """How many by (status, assignee, owes nothing, late, medium), as far as the viewer may see."""
    owes_nothing = C.owed_since.is_(None)
    group = (C.status, C.assignee_id, owes_nothing, C.is_late, C.latest_medium)
    query = select(*group, func.count()).where(visible(viewer), C.merged_into_id.is_(None)).group_by(*group)
    return {(s, a, bool(f), bool(late), m): n for s, a, f, late, m, n in rx.connection.execute(query)}


def marks(rx: Reading, viewer: Viewer, ids: Collection[str]) -> dict[str, int]:
    """How many inbound messages of each conversation the viewer has seen."""
    query = select(_MARK.c.conversation_id, _MARK.c.inbound).where(
        _MARK.c.workspace_id == viewer.workspace_id,
        _MARK.c.agent_id == viewer.agent_id,
        _MARK.c.conversation_id.in_(ids),
    )
    return dict(rx.connection.execute(query).all())


def may_reply(viewer: Viewer) -> bool:
    return may(viewer, Permission.REPLY)


def _cards(rx: Reading, query: Select[Any]) -> list[RowCard]:
    return [_card(r) for r in rx.connection.execute(query)]


def _card(r: Any) -> RowCard:
    return RowCard(
        id=r.id,
        contact=face(r.contact_id, r.contact_name),
        medium=r.latest_medium,
        kind=r.latest_kind,
        is_public=r.is_public,
        inbox_id=r.inbox_id,
        inbox_name=r.inbox_name,
        subject=r.subject,
        snippet=" ".join((r.snippet or "").split()),
        snippet_by=_SPEAKER.get(r.snippet_direction, "system"),
        last_at=r.last_at,
        status=r.status,
        owed_since=r.owed_since,
        due_at=r.due_at,
        target_seconds=r.target_seconds,
        snoozed_until=r.snoozed_until,
        assignee=face(r.assignee_id, r.assignee_name) if r.assignee_id else None,
        team_name=r.team_name or "",
        inbound_count=r.inbound_count,
        reopen_count=r.reopen_count,
        resolved_at=r.resolved_at,
        resolved_by=r.resolved_by,
        sort=r.sort,
        last_message_id=r.last_message_id,
    )


def visible_ids(rx: Reading, viewer: Viewer, ids: Collection[str]) -> set[str]:
    """Which of these conversations the viewer may see."""
    if not ids:
        return set()
    return set(rx.connection.execute(select(C.id).where(visible(viewer), C.id.in_(ids))).scalars())


def thread_of(rx: Reading, viewer: Viewer, conversation_id: str) -> str:
    """The line its replies go out on. Raises: NotFound."""
    found = rx.connection.execute(select(C.thread_id).where(visible(viewer), C.id == conversation_id)).scalar()
    if found is None:
        raise NotFound("There is no such conversation, or it is not yours to see.")
    return str(found)
