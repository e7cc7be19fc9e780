"""What time does by itself: promises run out, snoozes end, the log is cut. One tick a second."""

from __future__ import annotations

import asyncio

import structlog

from inbox.actions import handling, upkeep
from inbox.domain.transit import Lane, Who
from inbox.store.store import Store
from inbox.store.upkeep import due_workspaces_across_workspaces, workspace_ids_across_workspaces

TICK_SECONDS = 1.0
UPKEEP_EVERY = 3600  # ticks

logger = structlog.get_logger()


class Timers:
    """One task. Each tick asks one question and writes only where something is due."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="timers")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tick(self) -> None:
        """Do all that is due now."""
        for workspace_id in await self.store.read(due_workspaces_across_workspaces):
            who = Who(workspace_id)
            await self.store.write(handling.mark_late, who=who, lane=Lane.BACKGROUND)
            await self.store.write(handling.end_snoozes, who=who, lane=Lane.BACKGROUND)

    async def upkeep(self) -> None:
        """What is done once an hour."""
        for workspace_id in await self.store.read(workspace_ids_across_workspaces):
            await self.store.write(upkeep.forget_old_events, who=Who(workspace_id), lane=Lane.BACKGROUND)
        await self.store.write(upkeep.forget_old_sessions, who=Who(""), lane=Lane.BACKGROUND)

    async def _run(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1
            try:
                await self.tick()
                if ticks % UPKEEP_EVERY == 0:
                    await self.upkeep()
            except Exception as error:
                logger.warning("tick_failed", error=type(error).__name__)
