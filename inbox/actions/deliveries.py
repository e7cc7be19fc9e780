"""What became of a reply on its way out. States only move forward, and only the word of the newest claim counts."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlmodel import col, func, select

from inbox.domain.access import Permission, Viewer, may
from inbox.domain.contact import ContactIdentity
from inbox.domain.conversation import Conversation, Status
from inbox.domain.delivery import Delivery, moves_forward
from inbox.domain.errors import Conflict, NotAllowed, NotFound
from inbox.domain.events import DeliveryChanged
from inbox.domain.exchange import Outbound
from inbox.domain.inbox import Inbox
from inbox.domain.message import DeliveryState, Direction, Message
from inbox.domain.threading import Thread
from inbox.store import jobs
from inbox.store.conversations import require_visible
from inbox.store.jobs import Claimed
from inbox.store.transaction import Transaction, repeatable

NOBODY = 0  # a fence: no try is under way, so the next one need not ask what became of the last
UNFINISHED = (DeliveryState.HELD, DeliveryState.QUEUED, DeliveryState.SENDING)


class Ready(msgspec.Struct, frozen=True):
    """To be handed to that channel now."""

    channel: str
    config: dict[str, Any]
    outbound: Outbound


class Behind(msgspec.Struct, frozen=True):
    """An earlier message of the same line has not left yet."""


class Over(msgspec.Struct, frozen=True):
    """Nothing is left to do: it was sent, given up, or is in other hands."""


def job_key(delivery_id: str) -> str:
    """Under which key the job of a delivery is put."""
    return f"deliver:{delivery_id}"


@repeatable
def start(tx: Transaction, job: Claimed, delivery_id: str) -> Ready | Behind | Over:
    """Begin to send, committed before the network is touched. Raises: NotFound.

    Found in `sending` under an older claim, the vendor may have it already: that is *unknown*, and a person decides.
    """
    if not jobs.is_held(tx, job):
        return Over()
    delivery = tx.get(Delivery, delivery_id)
    message = tx.get(Message, delivery.message_id)
    conversation = tx.conversation(message.conversation_id)
    if delivery.state == DeliveryState.SENDING and delivery.fence not in (NOBODY, job.fence):
        delivery.fence = job.fence
        _move(tx, conversation, message, delivery, DeliveryState.UNKNOWN, "The server stopped while it was sent.")
        return Over()
    if delivery.state not in (DeliveryState.QUEUED, DeliveryState.SENDING):
        return Over()
    if _is_behind(tx, message):
        return Behind()
    inbox = tx.get(Inbox, message.inbox_id or conversation.inbox_id)
    delivery.fence = job.fence
    if inbox.disabled_at is not None:
        _move(tx, conversation, message, delivery, DeliveryState.FAILED, "This inbox is switched off.")
        return Over()
    delivery.attempts += 1
    _move(tx, conversation, message, delivery, DeliveryState.SENDING)
    return Ready(inbox.channel, inbox.config, _outbound(tx, conversation, message, delivery))


def _outbound(tx: Transaction, conversation: Conversation, message: Message, delivery: Delivery) -> Outbound:
    thread = tx.get(Thread, message.thread_id or conversation.thread_id)
    return Outbound(
        idempotency_key=delivery.id,
        address=tx.get(ContactIdentity, thread.identity_id).address,
        thread_key=thread.external_key,
        text=message.body,
        subject=conversation.subject,
    )


def _is_behind(tx: Transaction, message: Message) -> bool:
    earlier = select(Message.id).where(Message.id < message.id, col(Delivery.state).in_(UNFINISHED))
    return tx.session.exec(_of_line(tx, message, earlier).limit(1)).first() is not None


def _of_line(tx: Transaction, message: Message, query: Any) -> Any:
    return query.join(
        Delivery,
        (col(Delivery.workspace_id) == col(Message.workspace_id)) & (col(Delivery.message_id) == col(Message.id)),
    ).where(Message.workspace_id == tx.workspace_id, Message.thread_id == message.thread_id)


@repeatable
def record_sent(tx: Transaction, delivery_id: str, fence: int, external_id: str = "") -> bool:
    """The vendor took it. Only now is the customer answered. False: an older claim's word, nothing changed."""
    held = _held(tx, delivery_id, fence)
    if held is None:
        return False
    conversation, message, delivery = held
    if not _move(tx, conversation, message, delivery, DeliveryState.SENT, answers=True):
        return False
    delivery.external_id = external_id or None
    return True


@repeatable
def record_failure(tx: Transaction, delivery_id: str, fence: int, reason: str) -> bool:
    """The vendor will never take it; `reason` is for the agent to read."""
    return _record(tx, delivery_id, fence, DeliveryState.FAILED, reason)


@repeatable
def record_unknown(tx: Transaction, delivery_id: str, fence: int, reason: str) -> bool:
    """It may have arrived: the agent sees that, and nothing sends it again by itself."""
    return _record(tx, delivery_id, fence, DeliveryState.UNKNOWN, reason)


@repeatable
def record_not_taken(tx: Transaction, delivery_id: str, fence: int, reason: str) -> bool:
    """The vendor surely has it not, so the next try may simply send."""
    held = _held(tx, delivery_id, fence)
    if held is None:
        return False
    held[2].fence, held[2].reason = NOBODY, reason
    return True


def send_again(tx: Transaction, viewer: Viewer, message_id: str) -> None:
    """A person decides to send what failed, or may not have arrived, once more. Raises: NotFound, NotAllowed, Conflict."""
    message = tx.get(Message, message_id)
    require_visible(tx, viewer, message.conversation_id)
    if not may(viewer, Permission.REPLY):
        raise NotAllowed("Your seat may read this conversation, but not write to the customer.")
    conversation = tx.conversation(message.conversation_id)
    found = select(Delivery).where(Delivery.workspace_id == tx.workspace_id, Delivery.message_id == message_id)
    delivery = tx.session.exec(found).first()
    if delivery is None:
        raise NotFound("There is no such message on its way out.")
    delivery.fence = NOBODY
    if not _move(tx, conversation, message, delivery, DeliveryState.QUEUED):
        raise Conflict(f"This message is {delivery.state}, so it cannot be sent again.", state=delivery.state)
    if not jobs.put_again(tx, job_key(delivery.id)):
        tx.put_job("deliver", {"message_id": message_id, "delivery_id": delivery.id}, key=job_key(delivery.id))
    tx.audit("send_again", message_id)


def _record(tx: Transaction, delivery_id: str, fence: int, state: DeliveryState, reason: str) -> bool:
    held = _held(tx, delivery_id, fence)
    return held is not None and _move(tx, *held, state, reason)


def _held(tx: Transaction, delivery_id: str, fence: int) -> tuple[Conversation, Message, Delivery] | None:
    delivery = tx.get(Delivery, delivery_id)
    if delivery.fence != fence:
        return None
    message = tx.get(Message, delivery.message_id)
    return tx.conversation(message.conversation_id), message, delivery


def _move(
    tx: Transaction,
    conversation: Conversation,
    message: Message,
    delivery: Delivery,
    state: DeliveryState,
    reason: str = "",
    *,
    answers: bool = False,
) -> bool:
    """Take the next step, if it is one forward. False: it is there or further already."""
    if not moves_forward(delivery.state, state):
        return False
    delivery.state = message.state = state
    delivery.reason = message.reason = reason
    delivery.changed_at = tx.now
    if answers and message.author_kind == "agent":
        _answer(tx, conversation, message)
    if state not in UNFINISHED:
        tx.flush()
        _hasten_next(tx, message)
    tx.record(DeliveryChanged(conversation_id=conversation.id, message_id=message.id, state=state), conversation)
    return True


def _answer(tx: Transaction, conversation: Conversation, message: Message) -> None:
    """What the customer wrote before this reply is answered; what came after it is still owed (decisions A3)."""
    since = select(func.min(func.coalesce(col(Message.vendor_at), col(Message.created_at)))).where(
        Message.workspace_id == tx.workspace_id,
        Message.conversation_id == conversation.id,
        Message.direction == Direction.INBOUND,
        Message.id > message.id,
    )
    if conversation.status != Status.RESOLVED:
        conversation.owed_since = tx.session.exec(since).one()
    conversation.last_human_reply_at = tx.now
    conversation.resort()


def _hasten_next(tx: Transaction, message: Message) -> None:
    later = (
        select(Delivery.id).select_from(Message).where(Message.id > message.id, Delivery.state == DeliveryState.QUEUED)
    )
    following = tx.session.exec(_of_line(tx, message, later).order_by(col(Message.id)).limit(1)).first()
    if following is not None:
        jobs.hasten(tx, job_key(following))
