"""How often a door may be tried. In memory, bounded, by what a caller cannot forge."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from starlette.requests import Request

from inbox.domain.clock import monotonic
from inbox.domain.errors import TooMany

ACCOUNT_TRIES = 5
NETWORK_TRIES = 50
ALL_TRIES = 500
PAUSE_SECONDS = 60.0
REMEMBERED = 20_000  # names; the oldest are forgotten first


class Limits:
    """Counts failures per name in a sliding pause. A success of the account clears the account only."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, account: str, network: str) -> None:
        """Raises: TooMany with the seconds to wait."""
        now = monotonic()
        for name, most in self._names(account, network):
            count, since = self._failures.get(name, (0, now))
            left = since + PAUSE_SECONDS - now
            if count >= most and left > 0:
                raise TooMany(f"Too many tries. Try again in {int(left) + 1} seconds.", retry_after=left + 1)

    def failed(self, account: str, network: str) -> int:
        """Note a failure; returns how many tries the account has left."""
        now = monotonic()
        for name, _most in self._names(account, network):
            count, since = self._failures.pop(name, (0, now))
            if now - since > PAUSE_SECONDS:
                count = 0
            self._failures[name] = (count + 1, now)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)
        return max(0, ACCOUNT_TRIES - self._failures[f"account:{account}"][0])

    def succeeded(self, account: str) -> None:
        self._failures.pop(f"account:{account}", None)

    def _names(self, account: str, network: str) -> tuple[tuple[str, int], ...]:
        return (
            (f"account:{account}", ACCOUNT_TRIES),
            (f"network:{network}", NETWORK_TRIES),
            ("all", ALL_TRIES),
        )


def network_of(request: Request, trusted: tuple[str, ...]) -> str:
    """The caller's network: /24 or /64. X-Forwarded-For counts only when a trusted proxy says it."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "unknown"
    forwarded = request.headers.get("x-forwarded-for", "")
    if forwarded and any(address in ipaddress.ip_network(n) for n in trusted):
        try:
            # The last entry is the one our own proxy wrote; those before it are hearsay.
            address = ipaddress.ip_address(forwarded.split(",")[-1].strip())
        except ValueError:
            return "unknown"
    prefix = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
