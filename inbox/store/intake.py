"""Set-based reads and writes of the message path: a batch of any size is a handful of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from inbox.domain.contact import Contact, ContactIdentity
from inbox.domain.conversation import Conversation, ConversationInbox, LoadedConversation
from inbox.domain.inbox import Inbox
from inbox.domain.message import Message
from inbox.domain.threading import Thread
from inbox.store.engine import insert_or_ignore
from inbox.store.transaction import Transaction

Row = dict[str, Any]
_INBOX = Inbox.__table__  # type: ignore[attr-defined]
_CONTACT = Contact.__table__  # type: ignore[attr-defined]
_IDENTITY = ContactIdentity.__table__  # type: ignore[attr-defined]
_THREAD = Thread.__table__  # type: ignore[attr-defined]
_CONVERSATION = Conversation.__table__  # type: ignore[attr-defined]
_CONVERSATION_INBOX = ConversationInbox.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

_NEW_IDENTITY = insert_or_ignore(_IDENTITY)
_NEW_THREAD = insert_or_ignore(_THREAD)
_NEW_MESSAGE = insert(_MESSAGE)
_NEW_CONTACT = insert(_CONTACT)
_NEW_CONVERSATION = insert(_CONVERSATION)
_NEW_CONVERSATION_INBOX = insert(_CONVERSATION_INBOX)

# What the message path may change on a conversation that exists.
CHANGEABLE = (
    "status",
    "assignee_id",
    "owed_since",
    "due_at",
    "is_late",
    "sort",
    "inbound_count",
    "last_message_id",
    "last_at",
    "last_inbound_at",
    "snoozed_until",
    "reopen_count",
    "resolved_at",
    "resolved_by",
    "latest_medium",
    "latest_kind",
)
_CHANGE_CONVERSATION = (
    update(_CONVERSATION)
    .where(_CONVERSATION.c.workspace_id == bindparam("key_workspace"), _CONVERSATION.c.id == bindparam("key_id"))
    .values({name: bindparam(f"new_{name}") for name in CHANGEABLE})
)
_CHANGE_THREAD = (
    update(_THREAD)
    .where(_THREAD.c.workspace_id == bindparam("key_workspace"), _THREAD.c.id == bindparam("key_id"))
    .values(visitor_seq=bindparam("new_visitor_seq"), current_conversation_id=bindparam("new_conversation"))
)
_FIND_INBOXES = select(_INBOX).where(
    _INBOX.c.workspace_id == bindparam("w"), _INBOX.c.id.in_(bindparam("ids", expanding=True))
)
_SEEN = (_MESSAGE.c.id, _MESSAGE.c.external_id, _MESSAGE.c.conversation_id, _MESSAGE.c.thread_id)
_FIND_MESSAGES = select(*_SEEN, _MESSAGE.c.visitor_seq, _MESSAGE.c.body, _MESSAGE.c.created_at).where(
    _MESSAGE.c.workspace_id == bindparam("w"),
    _MESSAGE.c.inbox_id == bindparam("inbox"),
    _MESSAGE.c.external_id.in_(bindparam("ids", expanding=True)),
)
_FIND_IDENTITIES = (
    select(_IDENTITY.c.id, _IDENTITY.c.address, _IDENTITY.c.contact_id, _CONTACT.c.blocked_at)
    .join(
        _CONTACT,
        (_CONTACT.c.workspace_id == _IDENTITY.c.workspace_id) & (_CONTACT.c.id == _IDENTITY.c.contact_id),
    )
    .where(
        _IDENTITY.c.workspace_id == bindparam("w"),
        _IDENTITY.c.inbox_id == bindparam("inbox"),
        _IDENTITY.c.address.in_(bindparam("ids", expanding=True)),
    )
)
_FIND_THREADS = select(
    _THREAD.c.id, _THREAD.c.external_key, _THREAD.c.visitor_seq, _THREAD.c.current_conversation_id
).where(
    _THREAD.c.workspace_id == bindparam("w"),
    _THREAD.c.inbox_id == bindparam("inbox"),
    _THREAD.c.external_key.in_(bindparam("ids", expanding=True)),
)
_FIND_CONVERSATIONS = select(_CONVERSATION).where(
    _CONVERSATION.c.workspace_id == bindparam("w"), _CONVERSATION.c.id.in_(bindparam("ids", expanding=True))
)


def inboxes(tx: Transaction, ids: Collection[str]) -> dict[str, Row]:
    found = tx.connection.execute(_FIND_INBOXES, {"w": tx.workspace_id, "ids": list(ids)})
    return {row["id"]: dict(row) for row in found.mappings()}


def messages(tx: Transaction, inbox_id: str, external_ids: Collection[str]) -> dict[str, Row]:
    """Messages of an inbox that are stored already, by the vendor's id."""
    found = _of_inbox(tx, _FIND_MESSAGES, inbox_id, external_ids)
    return {row["external_id"]: dict(row) for row in found}


def identities(tx: Transaction, inbox_id: str, addresses: Collection[str]) -> dict[str, Row]:
    return {row["address"]: dict(row) for row in _of_inbox(tx, _FIND_IDENTITIES, inbox_id, addresses)}


def threads(tx: Transaction, inbox_id: str, keys: Collection[str]) -> dict[str, Row]:
    return {row["external_key"]: dict(row) for row in _of_inbox(tx, _FIND_THREADS, inbox_id, keys)}


def conversations(tx: Transaction, ids: Collection[str]) -> dict[str, LoadedConversation]:
    if not ids:
        return {}
    found = tx.connection.execute(_FIND_CONVERSATIONS, {"w": tx.workspace_id, "ids": list(ids)})
    return {row["id"]: LoadedConversation(dict(row)) for row in found.mappings()}


def add_people(tx: Transaction, contacts: list[Row], new_identities: list[Row]) -> None:
    """New contacts with their identities. An address that another host added meanwhile keeps its first contact."""
    if contacts:
        tx.connection.execute(_NEW_CONTACT, contacts)
        tx.connection.execute(_NEW_IDENTITY, new_identities)


def add_threads(tx: Transaction, rows: list[Row]) -> None:
    if rows:
        tx.connection.execute(_NEW_THREAD, rows)


def add_conversations(tx: Transaction, rows: list[Row]) -> None:
    if rows:
        tx.connection.execute(_NEW_CONVERSATION, rows)
        through = [
            {"workspace_id": r["workspace_id"], "conversation_id": r["id"], "inbox_id": r["inbox_id"]} for r in rows
        ]
        tx.connection.execute(_NEW_CONVERSATION_INBOX, through)


def change_conversations(tx: Transaction, changed: Iterable[Any]) -> None:
    rows = [
        {
            "key_workspace": tx.workspace_id,
            "key_id": conversation.id,
            **{f"new_{name}": getattr(conversation, name) for name in CHANGEABLE},
        }
        for conversation in changed
    ]
    if rows:
        tx.connection.execute(_CHANGE_CONVERSATION, rows)


def change_threads(tx: Transaction, changed: Iterable[Row]) -> None:
    rows = [
        {
            "key_workspace": tx.workspace_id,
            "key_id": row["id"],
            "new_visitor_seq": row["visitor_seq"],
            "new_conversation": row["current_conversation_id"],
        }
        for row in changed
    ]
    if rows:
        tx.connection.execute(_CHANGE_THREAD, rows)


def add_messages(tx: Transaction, rows: list[Row]) -> None:
    if rows:
        tx.connection.execute(_NEW_MESSAGE, rows)


def _of_inbox(tx: Transaction, query: Any, inbox_id: str, ids: Collection[str]) -> Iterable[Any]:
    if not ids:
        return []
    return tx.connection.execute(query, {"w": tx.workspace_id, "inbox": inbox_id, "ids": list(ids)}).mappings()
