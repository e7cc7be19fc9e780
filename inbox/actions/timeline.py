"""Lines of a conversation's timeline, and the public numbering they take part in."""

from __future__ import annotations

from inbox.domain.conversation import Conversation
from inbox.domain.message import Message
from inbox.domain.threading import Thread
from inbox.store.transaction import Transaction


def next_number(tx: Transaction, thread_id: str) -> int:
    """The next number of a thread's gapless public numbering. The conversation's key must be held."""
    thread = tx.get(Thread, thread_id)
    thread.visitor_seq += 1
    return thread.visitor_seq


def add_line(
    tx: Transaction, conversation: Conversation, event: str, *, about: str = "", number: int | None = None
) -> str:
    """Put "this happened" into the timeline; `about` is the seat it happened to. Returns the line's id."""
    line = tx.add(
        Message(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            conversation_id=conversation.id,
            thread_id=conversation.thread_id,
            direction="system",
            author_kind=tx.who.actor_kind,
            author_id=tx.who.actor_id,
            data={"event": event, "about": about} if about else {"event": event},
            visitor_seq=number,
            created_at=tx.now,
        )
    )
    return line.id
