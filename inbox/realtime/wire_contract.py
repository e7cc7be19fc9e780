"""Who talks to whom over a websocket: the connection, the handler behind it and the route that admits it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from inbox.realtime.handshake import Deny, Upgrade


class Connection(Protocol):
    """One open websocket, as its handler sees it."""

    path: str
    query: str
    headers: Mapping[str, str]  # of the upgrade request, lower-case names; empty once `Handler.open` returned
    peer: str

    def send(self, frame: bytes) -> bool:
        """Writes a frame built by `text_frame`, or several joined, and returns at once.

        False: it was not written, because the connection is closing or was cut just now for being more than
        `Limits.write_limit` unsent bytes behind. A long catch-up must therefore come in portions.
        """

    def close(self, code: int, reason: str = "") -> None:
        """Says goodbye, delivers no more, cuts after `Limits.close_timeout`. ValueError for a bad code."""

    def abort(self) -> None:
        """Cuts the connection now."""


class Handler(Protocol):
    """The other end of one connection. What it raises closes that one with 1011 and is logged by type alone.

    A handler, or its route, may carry an int `rate`: frames in per second, instead of `Limits.per_second`.
    """

    def open(self, connection: Connection) -> None:
        """The upgrade is done; frames may be sent from here on."""

    def text(self, payload: bytes) -> None:
        """A whole message, known to be UTF-8."""

    def closed(self) -> None:
        """The connection is gone; called once, if `open` was called."""


class Route(Protocol):
    """Decides about upgrades to one path. Origin, cookies and tokens are judged here, before the upgrade."""

    def admit(self, request: Upgrade) -> Handler | Deny | Awaitable[Handler | Deny]:
        """A new handler, or the HTTP answer to give instead, or either awaited (`admit_timeout`)."""


Lookup = Callable[[str], Route | None]
