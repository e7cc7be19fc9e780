"""The bell between processes: it says only "that workspace has news". Lost, doubled or swapped rings do no harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Ring = Callable[[str], None]
Signal = Callable[[str, str, bytes], None]


class Bus(Protocol):
    """`ring` tells the other processes; `signal` carries what is never stored (typing, presence) to their watchers."""

    async def start(self, on_ring: Ring, on_signal: Signal) -> None: ...

    async def stop(self) -> None: ...

    def ring(self, workspace_ids: set[str]) -> None: ...

    def signal(self, workspace_id: str, topic: str, frame: bytes) -> None: ...


class InProcessBus:
    """One process hears itself already: nothing to do."""

    async def start(self, on_ring: Ring, on_signal: Signal) -> None:
        return None

    async def stop(self) -> None:
        return None

    def ring(self, workspace_ids: set[str]) -> None:
        return None

    def signal(self, workspace_id: str, topic: str, frame: bytes) -> None:
        return None
