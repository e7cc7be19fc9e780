"""Everything that comes in, from any channel, becomes messages here."""

from __future__ import annotations

from typing import Any

from inbox.actions.intake_batch import Accepted, Batch
from inbox.domain.exchange import Received
from inbox.store.transaction import BulkItem, Transaction, bulk

__all__ = ["Accepted", "keys_of", "receive_messages"]


def keys_of(inbox_id: str, message: Received) -> tuple[str, ...]:
    """The keys an edge hands to `store.write` with this message."""
    return (f"thread:{inbox_id}:{message.thread_key}",)


@bulk
def receive_messages(tx: Transaction, items: list[BulkItem]) -> list[Any]:
    """Store messages: args of each item are (inbox_id, Received). Results: Accepted, or a refusal, by position."""
    return Batch(tx, items).run()
