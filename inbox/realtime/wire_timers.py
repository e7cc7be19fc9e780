"""Time for many connections at once: one timer pings them all, one waits for all farewells.

A timer handle per connection would cost more memory than the connection, and 19,000 of them a heap of 19,000.

Source: RFC 6455 section 5.5.2 (ping), section 7.1.1 (the closing timer).
"""

import asyncio
from typing import Final, Protocol

_BUCKETS: Final = 20  # a twentieth of the connections is pinged at a time, so that pings are no burst


class Pinged(Protocol):
    """What a ping round needs of a connection."""

    def ping(self) -> None:
        """Sends a ping, or aborts if nothing came since the last one. Must not raise."""


class PingRound:
    """Visits each connection once per `interval` seconds, in turns; sleeps while there is none."""

    def __init__(self, interval: float) -> None:
        self._step = interval / _BUCKETS
        self._buckets: list[set[Pinged]] = [set() for _ in range(_BUCKETS)]
        self._turn = 0  # the bucket that is visited next
        self._filling = 0  # the bucket that the next newcomer joins
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Pinged) -> int:
        """Takes in a connection, called from the event loop. Gives the number that `remove` asks for."""
        self._filling = (self._filling + 1) % _BUCKETS
        self._buckets[self._filling].add(connection)
        self._count += 1
        if self._timer is None:
            self._arm()
        return self._filling

    def remove(self, connection: Pinged, bucket: int) -> None:
        """Forgets a connection."""
        self._buckets[bucket].remove(connection)
        self._count -= 1
        if not self._count and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._step, self._visit)

    def _visit(self) -> None:
        self._arm()
        bucket = self._buckets[self._turn]
        self._turn = (self._turn + 1) % _BUCKETS
        for connection in list(bucket):
            connection.ping()


class Departing(Protocol):
    """What a farewell needs of a connection."""

    def abort(self) -> None:
        """Cuts the connection now. Must not raise."""


class Farewells:
    """Connections that were told goodbye: whoever has not left after `timeout` seconds is cut."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._waiting: dict[Departing, float] = {}  # deadlines; one timeout for all keeps them in order
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Departing) -> None:
        """Starts the time of `connection`, called from the event loop; a second call changes nothing."""
        loop = asyncio.get_running_loop()
        self._waiting.setdefault(connection, loop.time() + self._timeout)
        if self._timer is None:
            self._timer = loop.call_later(self._timeout, self._cut)

    def remove(self, connection: Departing) -> None:
        """Forgets a connection that has left, whether it was waited for or not."""
        self._waiting.pop(connection, None)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for connection in [one for one, deadline in self._waiting.items() if deadline <= now]:
            del self._waiting[connection]
            connection.abort()
        if self._waiting:
            self._timer = loop.call_at(next(iter(self._waiting.values())), self._cut)
