"""The contract every channel keeps: what it can do, how it checks, reads and sends."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

import msgspec

from inbox.domain.exchange import Outbound, Outcome, Received

NOT_CHANNELS = ("base", "http")


class Capability(StrEnum):
    """What a channel can do beyond receiving text. The desk hides the rest, and the server refuses it too."""

    REPLY = "reply"
    INSTANT = "instant"  # `send` needs no network: the log already reaches the other side
    TYPING = "typing"
    READ_MARKS = "read_marks"
    EDIT = "edit"
    DELETE = "delete"
    REACTIONS = "reactions"
    FILES = "files"


class Malformed(Exception):
    """The payload is not what this channel's vendor sends; it is kept raw and shown under Intake."""


class Unsupported(Exception):
    """Asked for what this channel cannot do."""


class Raw(msgspec.Struct, frozen=True):
    """What came over the wire, untouched."""

    body: bytes
    headers: Mapping[str, str] = {}
    url: str = ""


class Channel(Protocol):
    """A module of this package. Discovered by name: nothing else lists channels."""

    medium: str
    kinds: tuple[str, ...]
    capabilities: frozenset[Capability]
    max_body: int
    Config: type[msgspec.Struct]

    def verify(self, raw: Raw, config: Any) -> bool:
        """Whether the vendor really sent this; constant time over the raw bytes."""

    def parse(self, raw: Raw, config: Any) -> list[Received]:
        """Pure: bytes to messages. Raises: Malformed."""

    async def send(self, outbound: Outbound, config: Any) -> Outcome:
        """Hand one message over. Raises nothing the worker does not know."""


@cache
def channels() -> dict[str, Channel]:
    """Every channel by name."""
    import inbox.channels as package

    found: dict[str, Channel] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in NOT_CHANNELS:
            found[module.name] = importlib.import_module(f"inbox.channels.{module.name}")
    return found


def channel_named(name: str) -> Channel:
    """Raises: KeyError for a channel this build does not have."""
    return channels()[name]


def can(name: str, capability: Capability) -> bool:
    """Whether that channel exists here and can do it."""
    channel = channels().get(name)
    return channel is not None and capability in channel.capabilities
