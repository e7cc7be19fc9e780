"""What time does by itself: promises run out, snoozes end, what is kept for a while is forgotten. One tick a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from inbox.actions import handling, upkeep
from inbox.domain.errors import Busy, ReadOnly
from inbox.domain.transit import Lane, Who
from inbox.store import jobs
from inbox.store.files import Files
from inbox.store.store import Store
from inbox.store.upkeep import (
    due_workspaces_across_workspaces,
    named_files_across_workspaces,
    workspace_ids_across_workspaces,
)

TICK_SECONDS = 1.0
FIRST_UPKEEP = 60  # ticks: soon, so that a process that never lives an hour keeps house too
UPKEEP_EVERY = 3600
TIME_FACTS = (handling.mark_late, handling.end_snoozes)
SLICE = 100  # conversations a tick changes in one action

logger = structlog.get_logger()


class Timers:
    """One task. Each tick asks one question and writes only where something is due. `files` None: nothing is swept."""

    def __init__(self, store: Store, files: Files | None = None) -> None:
        self.store = store
        self.files = files
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="timers")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tick(self) -> None:
        """Do all that is due now; a workspace that fails holds up no other."""
        for workspace_id in await self.store.read(due_workspaces_across_workspaces):
            for action in TIME_FACTS:
                await self._guarded(self._to_the_end, action, workspace_id, SLICE)

    async def upkeep(self) -> None:
        """What is done once an hour."""
        for workspace_id in await self.store.read(workspace_ids_across_workspaces):
            await self._guarded(self._to_the_end, upkeep.forget_old_events, workspace_id)
        for action in (upkeep.forget_old_sessions, jobs.forget_done):
            await self._guarded(self._to_the_end, action, "")
        await self._guarded(self.sweep)

    async def sweep(self) -> None:
        """Remove files older than a day that no row names."""
        if self.files is None:
            return
        files, now = self.files, self.store.clock().timestamp()
        await asyncio.to_thread(files.remove_incoming, now)
        batches = files.old(now)
        while sums := await asyncio.to_thread(next, batches, None):
            named = await self.store.report(named_files_across_workspaces, sums)
            if unnamed := [each for each in sums if each not in named]:
                gone = await asyncio.to_thread(files.remove, unnamed, now)
                logger.info("files_swept", count=gone)

    async def _to_the_end(self, action: Callable[..., int], workspace_id: str, *slices: int) -> None:
        """Slice after slice, in the lane that lets everybody else go first."""
        full = slices[0] if slices else upkeep.SLICE
        done = full
        while done >= full:
            done = await self.store.write(action, *slices, who=Who(workspace_id), lane=Lane.BACKGROUND)

    async def _guarded(self, step: Callable[..., Awaitable[Any]], *args: Any) -> None:
        try:
            await step(*args)
        except (Busy, ReadOnly):
            return  # the next tick comes anyway
        except Exception as error:
            logger.warning("tick_failed", error=type(error).__name__, exc_info=error)

    async def _run(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self._guarded(self.tick)
            if ticks % UPKEEP_EVERY == FIRST_UPKEEP:
                await self._guarded(self.upkeep)
            ticks += 1
