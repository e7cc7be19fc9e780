"""The only place that asks what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """This instant in UTC, with its zone."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that never jump, for spans and deadlines."""
    return time.monotonic()


def iso(moment: datetime) -> str:
    """The form times take on every wire: `2026-01-31T09:30:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970, exact (a float would round the last digits away)."""
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
