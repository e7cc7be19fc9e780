"""What the intake knows before it decides: inboxes, repeats, people, threads, conversations; the missing ones made."""

from __future__ import annotations

import hashlib
from typing import Any

from inbox.domain.conversation import Handled
from inbox.domain.errors import NotFound
from inbox.domain.events import ConversationState
from inbox.domain.exchange import Received
from inbox.store import intake as store
from inbox.store.transaction import BulkItem, Transaction

Row = dict[str, Any]


class Known:
    """Loads all that a batch touches in one query per kind, and adds new people and threads."""

    def __init__(self, tx: Transaction, items: list[BulkItem]) -> None:
        self.tx = tx
        self.items = items
        self.results: list[Any] = [None] * len(items)
        self.inboxes = store.inboxes(tx, {item.args[0] for item in items})
        self.seen: dict[tuple[str, str], Row] = {}
        self.identities: dict[tuple[str, str], Row] = {}
        self.threads: dict[tuple[str, str], Row] = {}
        self.conversations: dict[str, Handled] = {}
        self.states: dict[str, ConversationState] = {}

    def load_known(self) -> None:
        for position, item in enumerate(self.items):
            inbox = self.inboxes.get(item.args[0])
            if inbox is None or inbox["disabled_at"] is not None:
                self.results[position] = NotFound("This inbox does not exist or is switched off.")
        for inbox_id in self.inboxes:
            own = [i.args[1] for n, i in enumerate(self.items) if self.results[n] is None and i.args[0] == inbox_id]
            for name, row in store.messages(self.tx, inbox_id, {m.external_id for m in own}).items():
                self.seen[inbox_id, name] = row
            self._load_people(inbox_id, own)
            self._load_threads(inbox_id, own)
        current = {t["current_conversation_id"] for t in self.threads.values()} - {None}
        for name, loaded in store.conversations(self.tx, current).items():
            self.conversations[name] = loaded
            self.states[name] = loaded.state()

    def _load_people(self, inbox_id: str, own: list[Received]) -> None:
        known = store.identities(self.tx, inbox_id, {m.sender.address for m in own})
        contacts, new = [], []
        for message in own:
            address = message.sender.address
            if address in known:
                continue
            contact_id = self.tx.new_id()
            name = message.sender.name or anonymous_name(address)
            contacts.append(self._contact(contact_id, name, message))
            row = {
                "workspace_id": self.tx.workspace_id,
                "id": self.tx.new_id(),
                "inbox_id": inbox_id,
                "contact_id": contact_id,
                "medium": self.inboxes[inbox_id]["medium"],
                "address": address,
                "grade": message.sender.grade,
                "created_at": self.tx.now,
            }
            new.append(row)
            known[address] = {**row, "blocked_at": None, "name": name}
        store.add_people(self.tx, contacts, new)
        for address, row in known.items():
            self.identities[inbox_id, address] = row

    def _contact(self, contact_id: str, name: str, message: Received) -> Row:
        return {
            "workspace_id": self.tx.workspace_id,
            "id": contact_id,
            "name": name,
            "language": message.sender.language,
            "city": "",
            "is_robot": message.sender.is_robot,
            "merged_into_id": None,
            "created_at": self.tx.now,
            "blocked_at": None,
        }

    def _load_threads(self, inbox_id: str, own: list[Received]) -> None:
        known = store.threads(self.tx, inbox_id, {m.thread_key for m in own})
        new = []
        for message in own:
            if message.thread_key in known:
                continue
            row = {
                "workspace_id": self.tx.workspace_id,
                "id": self.tx.new_id(),
                "inbox_id": inbox_id,
                "identity_id": self.identities[inbox_id, message.sender.address]["id"],
                "external_key": message.thread_key,
                "kind": message.conversation_kind,
                "is_public": message.is_public,
                "window_closes_at": None,
                "current_conversation_id": None,
                "visitor_seq": 0,
                "visitor_read_seq": 0,
                "team_read_seq": 0,
                "created_at": self.tx.now,
            }
            new.append(row)
            known[message.thread_key] = row
        store.add_threads(self.tx, new)
        for key, row in known.items():
            self.threads[inbox_id, key] = row


def anonymous_name(address: str) -> str:
    """What we call somebody who gave no name: the same for the same address."""
    return f"Visitor {hashlib.blake2s(address.encode(), digest_size=2).hexdigest().upper()}"
