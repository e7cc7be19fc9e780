"""What became of an outbound message, and the raw form of what came in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, JSON_COLUMN, UtcDateTime, belongs_to
from inbox.domain.message import DeliveryState

RANK = {
    DeliveryState.HELD: 0,
    DeliveryState.QUEUED: 1,
    DeliveryState.SENDING: 2,
    DeliveryState.UNKNOWN: 3,
    DeliveryState.FAILED: 4,
    DeliveryState.SENT: 5,
    DeliveryState.DELIVERED: 6,
    DeliveryState.READ: 7,
}


def moves_forward(before: str, after: str) -> bool:
    """Whether a delivery may go from one state to the other: only forward, so a late word never undoes a newer one.

    A failed or unknown one may be queued again by a person; a vendor's proof (sent and later) beats both.
    """
    old, new = DeliveryState(before), DeliveryState(after)
    if new is DeliveryState.QUEUED:
        return old in (DeliveryState.HELD, DeliveryState.FAILED, DeliveryState.UNKNOWN)
    if new is DeliveryState.SENDING:
        return old in (DeliveryState.QUEUED, DeliveryState.UNKNOWN)
    return RANK[new] > RANK[old]


class Delivery(SQLModel, table=True):
    """The sending of one outbound message. `fence` is the job's at the last claim: an older worker's word is refused."""

    __table_args__ = (
        belongs_to("message", "message_id", "CASCADE"),
        UniqueConstraint("workspace_id", "message_id"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    message_id: str = Field(sa_type=ID)
    state: str
    reason: str = ""
    external_id: str | None = None
    attempts: int = 0
    fence: int = 0
    changed_at: datetime = Field(sa_type=UtcDateTime)


class Report(SQLModel, table=True):
    """A vendor's word about a delivery, unique by the vendor's own id for that word."""

    __table_args__ = (
        belongs_to("inbox", "inbox_id"),
        UniqueConstraint("workspace_id", "inbox_id", "external_id"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    inbox_id: str = Field(sa_type=ID)
    external_id: str
    message_external_id: str
    state: str
    at: datetime = Field(sa_type=UtcDateTime)


class Receipt(SQLModel, table=True):
    """The raw form of what a vendor handed over, kept before anything is read from it.

    `delivery_key` is the vendor's delivery id, else the SHA-256 of the raw bytes. Raw bytes over 64 KiB are a file (`sha256`).
    `state` is waiting, done or failed (with `error`).
    """

    __table_args__ = (
        belongs_to("inbox", "inbox_id"),
        UniqueConstraint("workspace_id", "inbox_id", "delivery_key"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    inbox_id: str = Field(sa_type=ID)
    delivery_key: str
    raw: bytes | None = None
    sha256: str
    headers: dict[str, Any] = Field(default_factory=dict, sa_type=JSON_COLUMN)
    state: str = "waiting"
    error: str = ""
    received_at: datetime = Field(sa_type=UtcDateTime)
