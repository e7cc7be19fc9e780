"""The closed table of frames an agent's socket may send."""

from __future__ import annotations

import msgspec


class Resume(msgspec.Struct, tag_field="t", tag="resume", frozen=True):
    epoch: str
    since: int


class Watch(msgspec.Struct, tag_field="t", tag="watch", frozen=True):
    n: int
    at: int
    views: list[str] = []
    conversations: list[str] = []


class Typing(msgspec.Struct, tag_field="t", tag="typing", frozen=True):
    conversation: str
    paper: str = "reply"


class Ping(msgspec.Struct, tag_field="t", tag="ping", frozen=True):
    pass


DECODER = msgspec.json.Decoder(Resume | Watch | Typing | Ping)
