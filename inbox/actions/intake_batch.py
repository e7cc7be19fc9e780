"""One run over a batch of inbound messages: decide in order, write all that is new in a handful of statements."""

from __future__ import annotations

from typing import Any

import msgspec

from inbox.actions.intake_known import Known, Row, anonymous_name
from inbox.domain.conversation import Conversation, Handled, LoadedConversation, Status
from inbox.domain.errors import Conflict, InboxError, NotAllowed, Rekey
from inbox.domain.events import ConversationOpened, ConversationReopened, Event, MessageReceived, SnoozeEnded
from inbox.domain.exchange import Received
from inbox.store import intake as store
from inbox.store import search
from inbox.store.transaction import BulkItem, Transaction


class Accepted(msgspec.Struct, frozen=True):
    """The message is stored. `is_new` is false when it was there already: the first result again."""

    message_id: str
    conversation_id: str
    thread_id: str
    visitor_seq: int
    at: Any
    is_new: bool = True


class Batch(Known):
    """One run over a batch: read all that exists, decide in order, write all that is new."""

    def __init__(self, tx: Transaction, items: list[BulkItem]) -> None:
        super().__init__(tx, items)
        self.new_conversations: dict[str, Row] = {}
        self.changed: dict[str, Handled] = {}
        self.changed_threads: dict[str, Row] = {}
        self.messages: list[Row] = []
        self.entries: list[search.Entry] = []
        self.events: list[tuple[Any, Any, Event]] = []
        self.load_known()

    def run(self) -> list[Any]:
        for position, item in enumerate(self.items):
            if self.results[position] is None:
                try:
                    self.results[position] = self._take(item)
                except InboxError as refusal:
                    self.results[position] = refusal
        self._write()
        return self.results

    def _take(self, item: BulkItem) -> Accepted:
        inbox_id, message = item.args
        seen = self.seen.get((inbox_id, message.external_id))
        if seen is not None:
            return _again(seen, message)
        identity = self.identities[inbox_id, message.sender.address]
        if identity["blocked_at"] is not None:
            raise NotAllowed("This address is blocked.")
        thread = self.threads[inbox_id, message.thread_key]
        conversation = self._conversation_for(item, message, thread, identity)
        return self._add(item, message, thread, identity, conversation)

    def _conversation_for(self, item: BulkItem, message: Received, thread: Row, identity: Row) -> Handled:
        """Where it lands: the thread's conversation, that one reopened, or a new one. Raises: Rekey."""
        current = self.conversations.get(thread["current_conversation_id"] or "")
        if current is None:
            return self._open(item, message, thread, identity, None)
        if self.tx.is_shared and current.id not in self.new_conversations:
            key = f"conversation:{current.id}"
            if key not in item.keys:
                raise Rekey(key)
        if current.status == Status.RESOLVED and not current.may_reopen_by_message(item.now):
            return self._open(item, message, thread, identity, current.id)
        return current

    def _open(self, item: BulkItem, message: Received, thread: Row, identity: Row, previous_id: str | None) -> Handled:
        inbox = self.inboxes[item.args[0]]
        fresh = {column.name: column.default.arg if column.default is not None else None for column in _COLUMNS}
        fresh |= {
            "workspace_id": self.tx.workspace_id,
            "id": self.tx.new_id(),
            "contact_id": identity["contact_id"],
            "inbox_id": inbox["id"],
            "thread_id": thread["id"],
            "inbox_ids": inbox["id"],
            "subject": message.subject,
            "language": message.sender.language,
            "first_medium": inbox["medium"],
            "first_kind": message.conversation_kind,
            "latest_medium": inbox["medium"],
            "latest_kind": message.conversation_kind,
            "is_public": message.is_public,
            "target_seconds": inbox["target_seconds"],
            "last_at": item.now,
            "previous_id": previous_id,
            "created_at": item.now,
        }
        conversation = LoadedConversation(fresh)
        self.new_conversations[conversation.id] = fresh
        self.conversations[conversation.id] = conversation
        thread["current_conversation_id"] = conversation.id
        name = identity.get("name") or message.sender.name or anonymous_name(message.sender.address)
        words = f"{name} {message.subject}"
        self.entries.append(search.Entry("conversation", conversation.id, conversation.id, words))
        return conversation

    def _add(self, item: BulkItem, message: Received, thread: Row, identity: Row, conversation: Handled) -> Accepted:
        is_new = conversation.id in self.new_conversations and conversation.id not in self.states
        woke = self._bring_back(item, thread, conversation)
        message_id = self.tx.new_id()
        thread["visitor_seq"] += 1
        conversation.latest_kind = message.conversation_kind  # type: ignore[attr-defined]
        conversation.latest_medium = self.inboxes[item.args[0]]["medium"]
        conversation.hear(message_id, message.said_at or item.now, item.now)
        row = self._message_row(item, message, thread, identity, conversation, message_id)
        self.messages.append(row)
        self.seen[item.args[0], message.external_id] = row
        self.entries.append(search.Entry("message", message_id, conversation.id, message.text))
        self.changed_threads[thread["id"]] = thread
        if conversation.id not in self.new_conversations:
            self.changed[conversation.id] = conversation
        if is_new:
            self._record(item, conversation, ConversationOpened(conversation_id=conversation.id, message_id=message_id))
        for event in woke:
            self._record(item, conversation, event)
        self._record(
            item,
            conversation,
            MessageReceived(
                conversation_id=conversation.id,
                message_id=message_id,
                thread_id=thread["id"],
                visitor_seq=row["visitor_seq"],
                contact_id=identity["contact_id"],
            ),
        )
        return Accepted(message_id, conversation.id, thread["id"], row["visitor_seq"], item.now)

    def _bring_back(self, item: BulkItem, thread: Row, conversation: Handled) -> list[Event]:
        """A customer's message wakes what was put away and reopens what was resolved (decisions A4)."""
        if conversation.status == Status.SNOOZED:
            conversation.wake()
            line = self._line(item, conversation, thread, "unsnoozed", None)
            return [SnoozeEnded(conversation_id=conversation.id, message_id=line, why="message")]
        if conversation.status != Status.RESOLVED:
            return []
        conversation.reopen(counts=conversation.last_human_reply_at is not None)
        thread["visitor_seq"] += 1
        line = self._line(item, conversation, thread, "reopened", thread["visitor_seq"])
        return [
            ConversationReopened(
                conversation_id=conversation.id,
                message_id=line,
                thread_id=thread["id"],
                visitor_seq=thread["visitor_seq"],
                why="message",
            )
        ]

    def _line(self, item: BulkItem, conversation: Handled, thread: Row, event: str, number: int | None) -> str:
        """A line of the timeline that tells what happened."""
        line_id = self.tx.new_id()
        self.messages.append(
            _message(
                workspace_id=self.tx.workspace_id,
                id=line_id,
                conversation_id=conversation.id,
                thread_id=thread["id"],
                direction="system",
                author_kind=item.who.actor_kind,
                author_id=item.who.actor_id,
                data={"event": event},
                visitor_seq=number,
                created_at=item.now,
            )
        )
        return line_id

    def _message_row(
        self,
        item: BulkItem,
        message: Received,
        thread: Row,
        identity: Row,
        conversation: Handled,
        message_id: str,
    ) -> Row:
        page = {"page": {"url": message.page_url, "title": message.page_title}} if message.page_url else {}
        return _message(
            workspace_id=self.tx.workspace_id,
            id=message_id,
            conversation_id=conversation.id,
            thread_id=thread["id"],
            inbox_id=item.args[0],
            direction="inbound",
            kind=message.kind,
            author_kind="contact",
            author_id=identity["contact_id"],
            client_id=message.client_id,
            external_id=message.external_id,
            body=message.text,
            data=page,
            visitor_seq=thread["visitor_seq"],
            created_at=item.now,
            vendor_at=message.said_at,
        )

    def _record(self, item: BulkItem, conversation: Handled, event: Any) -> None:
        after = conversation.state()
        event = msgspec.structs.replace(event, before=self.states.get(conversation.id), after=after)
        self.states[conversation.id] = after
        self.events.append((item.who, item.now, event))

    def _write(self) -> None:
        for key, fresh in self.new_conversations.items():
            loaded = self.conversations[key]
            fresh |= {name: getattr(loaded, name) for name in store.CHANGEABLE}
        store.add_conversations(self.tx, list(self.new_conversations.values()))
        store.change_conversations(self.tx, self.changed.values())
        store.change_threads(self.tx, self.changed_threads.values())
        store.add_messages(self.tx, self.messages)
        search.index(self.tx.connection, self.tx.workspace_id, self.entries)
        self.tx.events.extend(self.events)


_COLUMNS = Conversation.__table__.columns  # type: ignore[attr-defined]
_BLANK_MESSAGE: Row = {
    "thread_id": None,
    "inbox_id": None,
    "kind": "text",
    "author_id": "",
    "client_id": None,
    "external_id": None,
    "body": "",
    "data": {},
    "visitor_seq": None,
    "state": "",
    "reason": "",
    "reply_to_id": None,
    "vendor_at": None,
}


def _message(**columns: Any) -> Row:
    return {**_BLANK_MESSAGE, **columns}


def _again(seen: Row, message: Received) -> Accepted:
    """The first result again. Raises: Conflict when the same id now carries other words."""
    if seen["body"] != message.text:
        raise Conflict("This message was sent before with other words. Send it as a new one.")
    return Accepted(
        seen["id"],
        seen["conversation_id"],
        seen["thread_id"],
        seen["visitor_seq"] or 0,
        seen["created_at"],
        is_new=False,
    )
