"""The town: robots that write and answer in the demo, over the public protocol only."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import httpx2

from inbox.sandbox.people import RobotAgent, RobotVisitor
from inbox.sandbox.phrases import NAMES

ARRIVE_SECONDS = (14.0, 24.0)
FEWEST, MOST = 15, 28
PAUSE_AFTER_SECONDS = 120.0  # without a browser there is nobody to show anything to
FIRST_WAVE_SECONDS = 1.2


class Town:
    """Visitors arrive, wait, answer, leave; robot agents take what is theirs to take."""

    def __init__(self, desk: str, frame: str, key: str) -> None:
        self.desk = desk
        self.frame = frame
        self.key = key
        self.visitors: dict[str, RobotVisitor] = {}
        self.agents: list[RobotAgent] = []
        self.chance = random.Random()

    async def live(self) -> None:
        """Run until cancelled."""
        await self._until_open()
        self.agents = await RobotAgent.all(self.desk, self)
        tasks = [asyncio.create_task(agent.live()) for agent in self.agents]
        tasks.append(asyncio.create_task(self._arrivals()))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in [*tasks, *(v.task for v in self.visitors.values() if v.task)]:
                task.cancel()

    def knows(self, conversation_name: str) -> RobotVisitor | None:
        """The robot visitor of that name, if the conversation is one of ours."""
        return self.visitors.get(conversation_name)

    async def _until_open(self) -> None:
        async with httpx2.AsyncClient() as client:
            for _attempt in range(100):
                try:
                    if (await client.get(f"{self.desk}/readyz")).status_code == 200:
                        return
                except httpx2.HTTPError:
                    await asyncio.sleep(0.1)

    async def _arrivals(self) -> None:
        while True:
            await asyncio.sleep(
                FIRST_WAVE_SECONDS if len(self.visitors) < FEWEST else self.chance.uniform(*ARRIVE_SECONDS)
            )
            if not await self._is_watched():
                continue
            self.visitors = {name: v for name, v in self.visitors.items() if not v.is_gone}
            if len(self.visitors) < MOST:
                self._arrive()

    def _arrive(self) -> None:
        free = [name for name in NAMES if f"{name} (demo)" not in self.visitors]
        if free:
            visitor = RobotVisitor(f"{self.chance.choice(free)} (demo)", self.frame, self.key)
            self.visitors[visitor.name] = visitor
            visitor.task = asyncio.create_task(visitor.live())

    async def _is_watched(self) -> bool:
        """Whether a browser was there in the last two minutes: more agents' sockets than our own robots'."""
        seen = max((agent.somebody_at for agent in self.agents), default=0.0)
        return time.monotonic() - seen < PAUSE_AFTER_SECONDS


async def live(desk: str, frame: str, key: str) -> Any:
    """Let the town live beside a served demo."""
    await Town(desk, frame, key).live()
