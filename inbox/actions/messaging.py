"""What agents write: replies to customers, notes to the team."""

from __future__ import annotations

import msgspec
from sqlmodel import select

from inbox.actions.reactions import deliver
from inbox.actions.timeline import add_line, next_number
from inbox.channels.base import Capability, can
from inbox.domain.access import Permission, Viewer, may
from inbox.domain.content import clean
from inbox.domain.conversation import Conversation
from inbox.domain.errors import BadInput, Conflict, NotAllowed
from inbox.domain.events import ConversationAssigned, NoteAdded, ReplyWritten
from inbox.domain.inbox import Inbox
from inbox.domain.message import MAX_BODY, Direction, Message
from inbox.store import search
from inbox.store.conversations import require_visible
from inbox.store.transaction import Transaction, repeatable

MAX_CLIENT_ID = 64


class Written(msgspec.Struct, frozen=True):
    """Stored. `is_new` is false when this client_id was stored before."""

    message_id: str
    is_new: bool


@repeatable
def write(tx: Transaction, viewer: Viewer, conversation_id: str, *, paper: str, client_id: str, body: str) -> Written:
    """A reply (`paper="reply"`) or a note (`"note"`). Raises: BadInput, NotFound, NotAllowed, Conflict."""
    require_visible(tx, viewer, conversation_id)
    conversation = tx.conversation(conversation_id)
    text = checked(body)
    if not 1 <= len(client_id) <= MAX_CLIENT_ID:
        raise BadInput("The message needs an id of its own.", field="client_id")
    before = _written_before(tx, viewer, client_id)
    if before is not None:
        if before.body != text or before.conversation_id != conversation_id:
            raise Conflict("This message was sent before with other words. Send it as a new one.")
        return Written(before.id, is_new=False)
    if paper == "note":
        return Written(_note(tx, viewer, conversation, client_id, text), is_new=True)
    if paper == "reply":
        return Written(_reply(tx, viewer, conversation, client_id, text), is_new=True)
    raise BadInput("Choose who reads this: a reply or a note.", field="paper")


def checked(body: str) -> str:
    """Raises: BadInput when there is nothing to say, or too much."""
    text = clean(body).strip("\n")
    if not text.strip():
        raise BadInput("Write something first.", field="body")
    if len(text) > MAX_BODY:
        raise BadInput(f"That is longer than {MAX_BODY} characters. Send it in parts.", field="body")
    return text


def _written_before(tx: Transaction, viewer: Viewer, client_id: str) -> Message | None:
    query = select(Message).where(
        Message.workspace_id == tx.workspace_id,
        Message.author_kind == "agent",
        Message.author_id == viewer.agent_id,
        Message.client_id == client_id,
    )
    return tx.session.exec(query).first()


def _reply(tx: Transaction, viewer: Viewer, conversation: Conversation, client_id: str, text: str) -> str:
    if not may(viewer, Permission.REPLY):
        raise NotAllowed("Your seat writes notes here. Ask an agent to reply.")
    inbox = tx.get(Inbox, conversation.inbox_id)
    if not can(inbox.channel, Capability.REPLY) or inbox.disabled_at is not None:
        raise NotAllowed("This inbox cannot send just now. Your text is kept.")
    _take_if_free(tx, viewer, conversation)
    number = next_number(tx, conversation.thread_id)
    message = _add(tx, viewer, conversation, client_id, text, Direction.OUTBOUND, number)
    deliver(tx, conversation, message)
    tx.flush()
    tx.record(
        ReplyWritten(
            conversation_id=conversation.id,
            message_id=message.id,
            thread_id=conversation.thread_id,
            visitor_seq=number,
            agent_id=viewer.agent_id,
        ),
        conversation,
    )
    return message.id


def _note(tx: Transaction, viewer: Viewer, conversation: Conversation, client_id: str, text: str) -> str:
    if not may(viewer, Permission.NOTE):
        raise NotAllowed("Your seat reads here, but does not write.")
    message = _add(tx, viewer, conversation, client_id, text, Direction.NOTE, None)
    tx.flush()
    tx.record(
        NoteAdded(conversation_id=conversation.id, message_id=message.id, agent_id=viewer.agent_id),
        conversation,
    )
    return message.id


def _add(
    tx: Transaction,
    viewer: Viewer,
    conversation: Conversation,
    client_id: str,
    text: str,
    direction: Direction,
    number: int | None,
) -> Message:
    message = tx.add(
        Message(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            conversation_id=conversation.id,
            thread_id=conversation.thread_id,
            inbox_id=conversation.inbox_id,
            direction=direction,
            author_kind="agent",
            author_id=viewer.agent_id,
            client_id=client_id,
            body=text,
            visitor_seq=number,
            created_at=tx.now,
        )
    )
    entry = search.Entry("message", message.id, conversation.id, text)
    search.index(tx.connection, tx.workspace_id, [entry])
    return message


def _take_if_free(tx: Transaction, viewer: Viewer, conversation: Conversation) -> None:
    """The first public reply takes the conversation (decisions A8)."""
    if conversation.assignee_id is None:
        conversation.assign(viewer.agent_id)
        line = add_line(tx, conversation, "assigned", about=viewer.agent_id)
        tx.flush()
        tx.record(
            ConversationAssigned(conversation_id=conversation.id, message_id=line, agent_id=viewer.agent_id),
            conversation,
        )
