"""How much a websocket server takes on, and what it counted while doing so.

Source: OWASP ASVS 5.0 V4.4 (websockets), V2.4.1 (anti-automation), V15.2.2 (availability).
"""

import ipaddress
from typing import Final

import msgspec

_KIB: Final = 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one server. Sizes in bytes, times in seconds, rates per connection and second."""

    max_frame: int = 64 * _KIB  # one message, whole or over all its fragments; larger things travel by HTTP
    write_limit: int = 256 * _KIB  # unsent bytes a reader may be behind before it is cut; it resumes by cursor
    admit_buffer: int = 64 * _KIB  # bytes kept while a route still asks whether to let the peer in
    admit_timeout: float = 10.0
    ping_interval: float = 20.0  # below the 30 s after which strict middleboxes forget a silent connection
    close_timeout: float = 5.0
    per_second: int = 20  # frames in, fragments and control too, unless the handler or route says `rate`
    bytes_per_second: int = 64 * _KIB
    burst_seconds: float = 2.0  # how many seconds' worth of frames may come at once
    burst_bytes: int = 512 * _KIB  # above what one read of a loop may bring (256 KiB), or honest pastes trip
    per_ip: int = 1000  # connections; generous, since an office or a mobile carrier shares one address
    total: int = 50_000  # connections of this process; reconnecting them costs about 5 s of one core


class Stats(msgspec.Struct, kw_only=True):
    """Plain counters of one server, read by whoever publishes them. All but `open` only grow."""

    open: int = 0  # upgraded and not yet lost
    opened_total: int = 0
    denied: int = 0  # upgrades answered with an HTTP error
    over_capacity: int = 0  # of those, refused by `per_ip` or `total`
    fallback: int = 0  # upgrades handed to the ASGI application
    frames_in: int = 0
    bytes_in: int = 0
    frames_out: int = 0  # writes; one may carry several frames joined
    shed_total: int = 0  # readers cut for falling behind `write_limit`
    rate_limited: int = 0  # closed with 1008
    violations: int = 0  # closed with 1002, 1003, 1007 or 1009
    silent: int = 0  # cut because nothing came between two pings
    failures: int = 0  # exceptions out of a handler or a route


class Census:
    """Counts connections per peer and altogether."""

    def __init__(self, per_ip: int, total: int) -> None:
        self._per_ip = per_ip
        self._total = total
        self._count = 0
        self._by_place: dict[str, int] = {}

    def enter(self, peer: str) -> bool:
        """Counts one more from `peer`; False, uncounted, if full. "" (unknown) has no own bound."""
        place = _place(peer)
        here = self._by_place.get(place, 0)
        if self._count >= self._total or (place and here >= self._per_ip):
            return False
        self._count += 1
        self._by_place[place] = here + 1
        return True

    def leave(self, peer: str) -> None:
        """Takes back one `enter` that gave True."""
        place = _place(peer)
        self._count -= 1
        if self._by_place[place] == 1:
            del self._by_place[place]
        else:
            self._by_place[place] -= 1


def _place(peer: str) -> str:
    """Who is counted as one: an IPv4 address, or the /64 that a home or a rented machine has to itself."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer)
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
