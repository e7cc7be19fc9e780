"""What follows an Event: what only writes rows happens inside the action, what waits or touches the network becomes a job."""

from __future__ import annotations

from inbox.channels.base import Capability, can
from inbox.domain.conversation import Conversation
from inbox.domain.delivery import Delivery
from inbox.domain.inbox import Inbox
from inbox.domain.message import DeliveryState, Message
from inbox.store.transaction import Transaction


def deliver(tx: Transaction, conversation: Conversation, message: Message) -> None:
    """A reply was written: it is sent at once where the log already reaches the other side, else a job carries it out.

    What is owed is cleared when the reply really leaves, so a queued one clears nothing yet (decisions A3).
    """
    inbox = tx.get(Inbox, conversation.inbox_id)
    is_instant = can(inbox.channel, Capability.INSTANT)
    message.state = DeliveryState.SENT if is_instant else DeliveryState.QUEUED
    delivery = tx.add(
        Delivery(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            message_id=message.id,
            state=message.state,
            changed_at=tx.now,
        )
    )
    if is_instant:
        conversation.answer(message.id, tx.now)
    else:
        conversation.touch(message.id, tx.now)
        tx.put_job("deliver", {"message_id": message.id, "delivery_id": delivery.id}, key=f"deliver:{delivery.id}")
