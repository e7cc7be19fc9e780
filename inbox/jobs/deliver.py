"""Carries a reply out: hands it to its channel with no transaction open, then records what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, assert_never

import msgspec
import structlog

from inbox.actions import deliveries
from inbox.actions.deliveries import Behind, Over, Ready
from inbox.channels.base import Channel, channel_named
from inbox.domain.errors import NotFound
from inbox.domain.exchange import Outcome, Refused, Sent, TryLater, Unknown
from inbox.domain.transit import Lane, Who
from inbox.jobs.worker import Later, Never
from inbox.store.jobs import Claimed
from inbox.store.store import Store

SEND_SECONDS = 30.0  # below the worker's own limit for a job
BEHIND_SECONDS = 2.0  # the net: the one in front calls the next when it has left
LONGEST_WAIT_SECONDS = 86_400.0  # a vendor that asks for more is asked again daily

logger = structlog.get_logger()


class Deliver:
    """The handler of `deliver` jobs. `channel_of` raises KeyError for a channel this build does not have."""

    def __init__(self, store: Store, channel_of: Callable[[str], Channel] = channel_named) -> None:
        self.store = store
        self.channel_of = channel_of

    async def __call__(self, job: Claimed) -> None:
        """Raises: Later, Never, as the worker wants to hear it."""
        delivery_id = str(job.payload["delivery_id"])
        try:
            begun = await self.store.write(deliveries.start, job, delivery_id, who=Who(job.workspace_id))
        except NotFound as error:
            raise Never("the message is gone") from error
        match begun:
            case Over():
                return
            case Behind():
                raise Later("an earlier message goes first", BEHIND_SECONDS, counts=False)
            case Ready():
                outcome = await self._send(begun)
                # What the vendor did must be written down even if this process is told to stop meanwhile.
                await asyncio.shield(self._record(job, delivery_id, outcome))

    async def _send(self, ready: Ready) -> Outcome:
        try:
            channel = self.channel_of(ready.channel)
            config = msgspec.convert(ready.config, channel.Config)
        except (KeyError, msgspec.ValidationError):
            return Refused("This inbox is not set up to send.")
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await channel.send(ready.outbound, config)
        except TimeoutError:
            return Unknown("The other side did not answer in time.")
        except Exception as error:
            logger.error("send_failed", channel=ready.channel, error=type(error).__name__, exc_info=error)
            return Unknown("The line broke while it was sent.")

    async def _record(self, job: Claimed, delivery_id: str, outcome: Outcome) -> None:
        match outcome:
            case Sent(external_id=external_id):
                await self._write(deliveries.record_sent, job, delivery_id, external_id)
            case Refused(reason=reason):
                await self._write(deliveries.record_failure, job, delivery_id, reason)
            case Unknown(reason=reason):
                await self._write(deliveries.record_unknown, job, delivery_id, reason)
            case TryLater(after=after, reason=reason) if not job.is_last_try:
                await self._write(deliveries.record_not_taken, job, delivery_id, reason)
                raise Later(reason or "the channel asks to wait", min(after, LONGEST_WAIT_SECONDS))
            case TryLater(reason=reason):
                await self._write(deliveries.record_failure, job, delivery_id, reason or "Tried often, never taken.")
                raise Never(reason or "tried often, never taken")
            case _:
                assert_never(outcome)

    async def _write(self, record: Any, job: Claimed, delivery_id: str, word: str) -> None:
        who = Who(job.workspace_id)
        if not await self.store.write(record, delivery_id, job.fence, word, who=who, lane=Lane.OUTCOME):
            logger.warning("outcome_fenced", delivery_id=delivery_id)
