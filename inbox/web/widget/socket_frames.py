"""The closed table of frames a visitor's socket may send."""

from __future__ import annotations

import msgspec

from inbox.channels import webchat


class Hello(msgspec.Struct, tag_field="t", tag="hello", frozen=True):
    token: str | None = None
    epoch: str | None = None
    since: int = 0


class Send(msgspec.Struct, tag_field="t", tag="send", frozen=True):
    client_id: str
    text: str
    page: webchat.Page = webchat.Page()
    name: str = ""


class Typing(msgspec.Struct, tag_field="t", tag="typing", frozen=True):
    pass


class Read(msgspec.Struct, tag_field="t", tag="read", frozen=True):
    n: int


class Since(msgspec.Struct, tag_field="t", tag="since", frozen=True):
    n: int


class Ping(msgspec.Struct, tag_field="t", tag="ping", frozen=True):
    pass


DECODER = msgspec.json.Decoder(Hello | Send | Typing | Read | Since | Ping)
