"""The plain values that cross an edge: what came in, what goes out, what a vendor answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Sender(msgspec.Struct, frozen=True):
    """Who wrote, in the channel's own terms. `address` is unique on the inbox; `grade` anonymous, says or proven."""

    address: str
    name: str = ""
    grade: Literal["anonymous", "says", "proven"] = "anonymous"
    language: str = ""
    is_robot: bool = False


class Received(msgspec.Struct, frozen=True):
    """One inbound message. `external_id` is unique per inbox, `thread_key` names its line, `said_at` is the vendor's time."""

    external_id: str
    thread_key: str
    sender: Sender
    text: str
    said_at: datetime | None = None
    client_id: str | None = None
    kind: str = "text"
    conversation_kind: str = "dm"
    is_public: bool = False
    subject: str = ""
    page_url: str = ""
    page_title: str = ""


class Outbound(msgspec.Struct, frozen=True):
    """One message to send. `idempotency_key` is the delivery's id, the same on every try."""

    idempotency_key: str
    address: str
    thread_key: str
    text: str
    subject: str = ""


class Sent(msgspec.Struct, frozen=True):
    """The vendor took it. `external_id` is its name for the message, empty when it gives none."""

    external_id: str = ""


class Refused(msgspec.Struct, frozen=True):
    """The vendor will never take it as it is; `reason` is for the agent to read."""

    reason: str


class TryLater(msgspec.Struct, frozen=True):
    """Not now: too many, or the vendor is down. `after` in seconds, 0 leaves it to the back-off."""

    after: float = 0.0
    reason: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """The line broke after the message left: the vendor may or may not have it."""

    reason: str


Outcome = Sent | Refused | TryLater | Unknown
