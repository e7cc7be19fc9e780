"""The only commit: one thread takes what waits, runs it in one transaction, and answers after the commit."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Collection

import structlog
from sqlalchemy import Connection

from inbox.domain.clock import monotonic
from inbox.domain.errors import Busy, ReadOnly
from inbox.domain.events import Stamped
from inbox.domain.transit import Lane
from inbox.store import log
from inbox.store.batch import Answer, Batch, units
from inbox.store.engine import Database, Fault, fault_of
from inbox.store.lanes import PATIENCE, Lanes, Waiting
from inbox.store.transaction import is_repeatable

MAX_TRIES = 8  # runs of one batch against deadlocks and lock timeouts
GIVE_UP_SECONDS = 5.0  # longest a batch is tried; then its callers hear "busy" instead of waiting on
HELD_SECONDS = 0.25  # a commit slower than this was held up by somebody else's lock, not by too many callers
PROBE_SECONDS = 1.0  # how often a full disk is asked again
EXIT_FSYNC = 74  # EX_IOERR: after a failed fsync nothing may be acknowledged any more

logger = structlog.get_logger()
Deliver = Callable[[list[Answer], list[Stamped], bool], None]


class Writer:
    """The thread. `deliver` is called in it after each commit, with answers and stamped events."""

    def __init__(self, database: Database, lanes: Lanes, deliver: Deliver) -> None:
        self.database = database
        self.lanes = lanes
        self.deliver = deliver
        self.read_only = False
        self.batches = 0
        self.actions = 0
        self._in_doubt = False  # the commit was sent, and no answer has come
        self._free_since = 0.0  # when a lock that held everything up was let go
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 15.0) -> None:
        """Write what waits, then end."""
        self.lanes.close()
        self._stopping.set()
        self._thread.join(timeout)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _work(self) -> None:
        while not (self._stopping.is_set() and self.lanes.drained):
            try:
                self._turn()
            except Exception as error:  # a dead thread would leave every caller waiting for ever
                logger.error("writer_stumbled", error=type(error).__name__, exc_info=error)

    def _turn(self) -> None:
        if self.read_only:
            self._probe()
        batch = self._drop_the_too_old(self.lanes.take(self.database.batch_size, timeout=0.2))
        if batch and self.read_only:
            self._give_up(batch, _read_only())
        elif batch:
            self._write(batch)

    def _write(self, batch: list[Waiting]) -> None:
        until = monotonic() + GIVE_UP_SECONDS
        for attempt in range(1, MAX_TRIES + 1):
            try:
                self._attempt(batch)
                return
            except Exception as error:
                is_last = attempt == MAX_TRIES or monotonic() > until
                batch = self._survivors(error, batch, attempt, is_last=is_last)
                if not batch:
                    return

    def _survivors(self, error: Exception, batch: list[Waiting], attempt: int, *, is_last: bool) -> list[Waiting]:
        """Who is run again; everybody else has been answered."""
        fault = fault_of(error)
        logger.warning("batch_failed", fault=fault.value, error=type(error).__name__, attempt=attempt, size=len(batch))
        if fault is Fault.FATAL:
            os._exit(EXIT_FSYNC)
        if fault is Fault.DISK_FULL:
            self.read_only = True
            self._give_up(batch, _read_only())
            return []
        if fault is Fault.OTHER:
            self._part(batch, error)
            return []
        if fault is Fault.LOST and self._in_doubt:
            # The commit may or may not have happened: only actions that find their own first result may run again.
            self._refuse([w for w in batch if not is_repeatable(w.action)], _unknown())
            batch = [w for w in batch if is_repeatable(w.action)]
        if is_last:
            self._give_up(batch, Busy("The database is busy. Nothing is lost; try again in a moment.", retry_after=2))
            return []
        time.sleep(random.uniform(0, 0.01 * 2**attempt))
        return batch

    def _part(self, batch: list[Waiting], error: Exception) -> None:
        """One of them breaks the commit itself (an event of a workspace that is gone): halve until it stands alone."""
        if len(batch) == 1:
            logger.error("batch_failed_unexpectedly", exc_info=error)
            self._refuse(batch, error)
            return
        middle = len(batch) // 2
        self._write(batch[:middle])
        self._write(batch[middle:])

    def _attempt(self, waiting: list[Waiting]) -> None:
        with self.database.writing.connect() as connection:
            batch = Batch(connection, self.database)
            began, self._in_doubt = monotonic(), False
            try:
                with connection.begin() as transaction:
                    self.database.lock_keys(connection, {key for w in waiting for key in w.keys})
                    left = batch.run(units(waiting))
                    stamped = log.stamp(connection, batch.pending) if batch.pending else []
                    self._in_doubt = True
                    transaction.commit()
            except BaseException:
                _forget(connection)
                raise
        if monotonic() - began > HELD_SECONDS:
            self._free_since = monotonic()
        self.batches += 1
        self.actions += len(batch.answers)
        self.lanes.put_back([*batch.rekeyed, *left])
        self.deliver(batch.answers, stamped, batch.wakes_worker)

    def _drop_the_too_old(self, batch: list[Waiting]) -> list[Waiting]:
        now = monotonic()
        # Who waited behind a lock waited for no crowd, so that time does not count against them.
        late = {w for w in batch if now - max(w.since, self._free_since) > PATIENCE[w.lane]}
        if late:
            self._refuse(late, Busy("Too much at once just now. Nothing is lost; try again.", retry_after=1))
        return [w for w in batch if w not in late]

    def _give_up(self, batch: list[Waiting], error: BaseException) -> None:
        """Refuse all but outcomes of sends: what a vendor already did must be written down, however late."""
        kept = [] if self._stopping.is_set() else [w for w in batch if w.lane is Lane.OUTCOME]
        self.lanes.put_back(kept)
        self._refuse([w for w in batch if w not in kept], error)

    def _refuse(self, batch: Collection[Waiting], error: BaseException) -> None:
        self.deliver([(waiting, None, error) for waiting in batch], [], False)

    def _probe(self) -> None:
        """Try a real write; the disk may have room again."""
        time.sleep(PROBE_SECONDS)
        try:
            with self.database.writing.connect() as connection, connection.begin():
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS disk_probe (filler TEXT)")
                connection.exec_driver_sql(f"INSERT INTO disk_probe VALUES ('{'x' * 8192}')")
                connection.exec_driver_sql("DROP TABLE disk_probe")
        except Exception as error:
            logger.warning("still_read_only", error=type(error).__name__)
        else:
            self.read_only = False
            logger.info("writing_again")


def _forget(connection: Connection) -> None:
    if connection.invalidated:
        return
    try:
        connection.rollback()
    except Exception:
        connection.invalidate()


def _read_only() -> ReadOnly:
    return ReadOnly("The disk is full, so nothing can be saved just now. What you typed stays here.", retry_after=5)


def _unknown() -> Busy:
    return Busy(
        "The line to the database broke; this may or may not have happened. Look before you repeat it.", retry_after=2
    )
