"""Who has seen what: agents' read marks, and how far each side of a thread has read."""

from __future__ import annotations

from inbox.domain.access import Viewer
from inbox.domain.agent import ReadMark
from inbox.domain.conversation import Conversation
from inbox.domain.events import ReadMarkMoved, ThreadReadByTeam, ThreadReadByVisitor
from inbox.domain.threading import Thread
from inbox.store.conversations import require_visible
from inbox.store.transaction import Transaction


def mark_read(tx: Transaction, viewer: Viewer, conversation_id: str, inbound: int) -> None:
    """This seat has seen `inbound` messages of it; fewer than before means "unread again". Raises: NotFound.

    The visitor is told once, at the first seat that sees their newest message.
    """
    require_visible(tx, viewer, conversation_id)
    conversation = tx.conversation(conversation_id)
    seen = max(0, min(inbound, conversation.inbound_count))
    key = (tx.workspace_id, viewer.agent_id, conversation_id)
    mark = tx.session.get(ReadMark, key)
    if mark is None:
        mark = tx.add(ReadMark(workspace_id=tx.workspace_id, agent_id=viewer.agent_id, conversation_id=conversation_id))
    if mark.inbound == seen:
        return
    mark.inbound = seen
    tx.record(ReadMarkMoved(agent_id=viewer.agent_id, conversation_id=conversation_id, inbound=seen))
    if seen == conversation.inbound_count:
        _tell_the_visitor(tx, conversation)


def _tell_the_visitor(tx: Transaction, conversation: Conversation) -> None:
    thread = tx.get(Thread, conversation.thread_id)
    upto = thread.visitor_seq
    if thread.team_read_seq >= upto:
        return
    thread.team_read_seq = upto + 1  # counting this event itself, which there is nothing to read in
    thread.visitor_seq += 1
    tx.flush()
    tx.record(
        ThreadReadByTeam(
            conversation_id=conversation.id, thread_id=thread.id, visitor_seq=thread.visitor_seq, upto=upto
        ),
        conversation,
    )


def visitor_read(tx: Transaction, thread_id: str, upto: int) -> None:
    """The visitor has seen everything up to that number of theirs."""
    thread = tx.get(Thread, thread_id)
    if thread.current_conversation_id is None:
        return
    conversation = tx.conversation(thread.current_conversation_id)
    reached = min(upto, thread.visitor_seq)
    if reached <= thread.visitor_read_seq:
        return
    thread.visitor_read_seq = reached
    thread.visitor_seq += 1
    tx.flush()
    tx.record(
        ThreadReadByVisitor(
            conversation_id=conversation.id, thread_id=thread.id, visitor_seq=thread.visitor_seq, upto=reached
        ),
        conversation,
    )
