"""Placeholder while the town is written."""

from __future__ import annotations


async def live(desk: str, frame: str, key: str) -> None:
    """Nothing lives here yet."""
