"""What is done with a conversation: assign, snooze, resolve, reopen, and what time does to it."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import col, select

from inbox.actions.timeline import add_line, next_number
from inbox.domain.access import Permission, Viewer, may
from inbox.domain.agent import Agent
from inbox.domain.conversation import Conversation, Resolution, Status
from inbox.domain.errors import BadInput, Conflict, NotAllowed
from inbox.domain.events import (
    ConversationAssigned,
    ConversationBecameLate,
    ConversationReopened,
    ConversationResolved,
    ConversationSnoozed,
    SnoozeEnded,
)
from inbox.store.conversations import require_visible
from inbox.store.transaction import Transaction

MAX_OUTCOME = 200  # characters: a short word for what was done, not a report


def key_of(conversation_id: str) -> tuple[str]:
    """The keys an edge hands to `store.write` with any action on this conversation."""
    return (f"conversation:{conversation_id}",)


def assign(tx: Transaction, viewer: Viewer, conversation_id: str, agent_id: str | None, *, expect: str | None) -> None:
    """Give it to a seat, or to nobody. Raises: Conflict naming who has it, when that is not `expect`; NotFound; BadInput."""
    conversation = _handled(tx, viewer, conversation_id, Permission.ASSIGN)
    if conversation.assignee_id == agent_id:
        return
    if expect is not None and (conversation.assignee_id or "") != expect:
        winner = tx.find(Agent, conversation.assignee_id)
        raise Conflict(
            f"{winner.name} took this one first." if winner else "Somebody put this one back meanwhile.",
            assignee=conversation.assignee_id or "",
        )
    agent = tx.find(Agent, agent_id)
    if agent_id is not None and (agent is None or agent.disabled_at is not None):
        raise BadInput("Choose somebody who has a seat here.", field="agent_id")
    conversation.assign(agent_id)
    line = add_line(tx, conversation, "assigned" if agent_id else "unassigned", about=agent_id or "")
    tx.flush()
    tx.record(
        ConversationAssigned(conversation_id=conversation.id, message_id=line, agent_id=agent_id),
        conversation,
    )
    tx.audit("assign", conversation.id)


def snooze(tx: Transaction, viewer: Viewer, conversation_id: str, until: datetime) -> None:
    """Put it away until then, or until the customer writes. Raises: BadInput, Conflict, NotFound."""
    conversation = _handled(tx, viewer, conversation_id, Permission.RESOLVE)
    conversation.snooze(until, tx.now)
    line = add_line(tx, conversation, "snoozed")
    tx.flush()
    tx.record(ConversationSnoozed(conversation_id=conversation.id, message_id=line, until=until), conversation)
    tx.audit("snooze", conversation.id)


def wake(tx: Transaction, viewer: Viewer, conversation_id: str) -> None:
    """Bring it back before its time. Raises: Conflict, NotFound."""
    conversation = _handled(tx, viewer, conversation_id, Permission.RESOLVE)
    _wake(tx, conversation, "person")
    tx.audit("wake", conversation.id)


def resolve(tx: Transaction, viewer: Viewer, conversation_id: str, *, outcome: str = "") -> None:
    """End it, by an agent's word. Raises: Conflict when it is resolved already, NotFound, BadInput."""
    conversation = _handled(tx, viewer, conversation_id, Permission.RESOLVE)
    if len(outcome) > MAX_OUTCOME:
        raise BadInput(f"Keep the outcome under {MAX_OUTCOME} characters.", field="outcome")
    conversation.resolve("agent", tx.now)
    resolution = tx.add(
        Resolution(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            conversation_id=conversation.id,
            said_by="agent",
            agent_id=viewer.agent_id,
            outcome=outcome,
            at=tx.now,
        )
    )
    number = next_number(tx, conversation.thread_id)
    line = add_line(tx, conversation, "resolved", number=number)
    tx.flush()
    tx.record(
        ConversationResolved(
            conversation_id=conversation.id,
            message_id=line,
            thread_id=conversation.thread_id,
            visitor_seq=number,
            resolution_id=resolution.id,
            said_by="agent",
        ),
        conversation,
    )
    tx.audit("resolve", conversation.id)


def reopen(tx: Transaction, viewer: Viewer, conversation_id: str) -> None:
    """Open it again; the ending stays on record as undone. Raises: Conflict, NotFound."""
    conversation = _handled(tx, viewer, conversation_id, Permission.RESOLVE)
    conversation.reopen(counts=False)
    ended = select(Resolution).where(
        Resolution.workspace_id == tx.workspace_id,
        Resolution.conversation_id == conversation.id,
        col(Resolution.undone_at).is_(None),
    )
    for resolution in tx.session.exec(ended):
        resolution.undone_at = tx.now
    number = next_number(tx, conversation.thread_id)
    line = add_line(tx, conversation, "reopened", number=number)
    tx.flush()
    tx.record(
        ConversationReopened(
            conversation_id=conversation.id,
            message_id=line,
            thread_id=conversation.thread_id,
            visitor_seq=number,
            why="person",
        ),
        conversation,
    )
    tx.audit("reopen", conversation.id)


def mark_late(tx: Transaction, limit: int = 100) -> int:
    """Say of each open conversation whose promised time passed that it is late. Returns how many."""
    due = (
        select(Conversation.id)
        .where(
            Conversation.workspace_id == tx.workspace_id,
            Conversation.status == Status.OPEN,
            col(Conversation.is_late).is_(False),
            col(Conversation.due_at) <= tx.now,
        )
        .order_by(col(Conversation.due_at))
        .limit(limit)
    )
    ids = list(tx.session.exec(due))
    for conversation_id in ids:
        conversation = _timed(tx, conversation_id)
        conversation.is_late = True
        tx.record(ConversationBecameLate(conversation_id=conversation.id), conversation)
    return len(ids)


def end_snoozes(tx: Transaction, limit: int = 100) -> int:
    """Bring back what was put away until now. Returns how many."""
    over = (
        select(Conversation.id)
        .where(
            Conversation.workspace_id == tx.workspace_id,
            Conversation.status == Status.SNOOZED,
            col(Conversation.snoozed_until) <= tx.now,
        )
        .order_by(col(Conversation.snoozed_until))
        .limit(limit)
    )
    ids = list(tx.session.exec(over))
    for conversation_id in ids:
        _wake(tx, _timed(tx, conversation_id), "time")
    return len(ids)


def _wake(tx: Transaction, conversation: Conversation, why: str) -> None:
    conversation.wake()
    line = add_line(tx, conversation, "unsnoozed")
    tx.flush()
    tx.record(SnoozeEnded(conversation_id=conversation.id, message_id=line, why=why), conversation)


def _handled(tx: Transaction, viewer: Viewer, conversation_id: str, permission: Permission) -> Conversation:
    """The conversation, if this seat may see it and do this to it. Raises: NotFound, NotAllowed, Rekey."""
    require_visible(tx, viewer, conversation_id)
    if not may(viewer, permission):
        raise NotAllowed("Your seat may read this conversation, but not do that to it.")
    return tx.conversation(conversation_id)


def _timed(tx: Transaction, conversation_id: str) -> Conversation:
    """The conversation for a timer, which takes its rows as it finds them and so brings no keys: a row lock orders it."""
    tx.keys = tx.keys | {f"conversation:{conversation_id}"}
    tx.session.exec(
        select(Conversation.id)
        .where(Conversation.workspace_id == tx.workspace_id, Conversation.id == conversation_id)
        .with_for_update()
    ).first()
    return tx.conversation(conversation_id)
