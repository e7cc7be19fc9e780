"""The only commit: one thread takes what waits, runs it in one transaction, and answers after the commit."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from sqlalchemy import Connection

from inbox.domain.clock import monotonic
from inbox.domain.errors import Busy, InboxError, ReadOnly, Rekey
from inbox.domain.events import Stamped
from inbox.store import log
from inbox.store.engine import Database, Fault, fault_of
from inbox.store.lanes import PATIENCE, Lanes, Waiting
from inbox.store.transaction import BulkItem, Transaction, is_bulk, is_repeatable

RUN_SECONDS = 0.005  # a batch closes after this much run time, so that nobody waits behind a crowd
GROUP_SIZE = 128  # most calls merged into one run of a bulk verb
MAX_TRIES = 8  # runs of one batch against deadlocks and lock timeouts
PROBE_SECONDS = 1.0  # how often a full disk is asked again
EXIT_FSYNC = 74  # EX_IOERR: after a failed fsync nothing may be acknowledged any more

logger = structlog.get_logger()
Answer = tuple[Waiting, Any, BaseException | None]
Deliver = Callable[[list[Answer], list[Stamped], bool], None]


class Batch:
    """One attempt at one transaction: answers and events by the call they belong to."""

    def __init__(self, connection: Connection, database: Database) -> None:
        self.connection = connection
        self.database = database
        self.answers: list[Answer] = []
        self.pending: list[Any] = []
        self.wakes_worker = False
        self.rekeyed: list[Waiting] = []

    def run(self, units: Iterator[list[Waiting]]) -> list[Waiting]:
        """Run units until the time is up; returns the calls that did not get a turn."""
        until = monotonic() + RUN_SECONDS
        for unit in units:
            if is_bulk(unit[0].action):
                self._run_bulk(unit)
            else:
                self._run_one(unit[0])
            if monotonic() > until:
                break
        return [waiting for unit in units for waiting in unit]

    def _transaction(self, first: Waiting, keys: frozenset[str]) -> Transaction:
        return Transaction(self.connection, first.now, first.who, keys, self.database.is_shared)

    def _run_one(self, waiting: Waiting) -> None:
        tx = self._transaction(waiting, waiting.keys)
        try:
            result = self._guarded(tx, lambda: waiting.action(tx, *waiting.args, **waiting.kwargs))
        except Rekey as more:
            self._rekey(waiting, more.key)
        except InboxError as refusal:
            self.answers.append((waiting, None, refusal))
        except Exception as error:
            if fault_of(error) is not Fault.OTHER:
                raise
            logger.error("action_failed", action=waiting.action.__name__, error=type(error).__name__, exc_info=error)
            self.answers.append((waiting, None, error))
        else:
            self.answers.append((waiting, result, None))
            self._keep(tx)

    def _run_bulk(self, unit: list[Waiting]) -> None:
        keys = frozenset().union(*(w.keys for w in unit))
        tx = self._transaction(unit[0], keys)
        items = [BulkItem(w.args, w.who, w.now, w.keys) for w in unit]
        verb = unit[0].action
        try:
            results = self._guarded(tx, lambda: verb(tx, items))
        except Exception as error:
            if fault_of(error) is not Fault.OTHER:
                raise
            if len(unit) == 1:
                logger.error("bulk_failed", action=verb.__name__, error=type(error).__name__, exc_info=error)
                self.answers.append((unit[0], None, error))
                return
            # One poisonous item must not cost the others their message: halve until it stands alone.
            middle = len(unit) // 2
            self._run_bulk(unit[:middle])
            self._run_bulk(unit[middle:])
            return
        self._keep(tx)
        for waiting, result in zip(unit, results, strict=True):
            if isinstance(result, Rekey):
                self._rekey(waiting, result.key)
            elif isinstance(result, BaseException):
                self.answers.append((waiting, None, result))
            else:
                self.answers.append((waiting, result, None))

    def _guarded(self, tx: Transaction, run: Callable[[], Any]) -> Any:
        """Run inside a savepoint: a refusal takes back this action alone (2 µs on SQLite)."""
        raw: Any = self.connection.connection.driver_connection
        raw.execute("SAVEPOINT action")
        try:
            result = run()
            if tx._session is not None:
                tx._session.commit()
        except BaseException:
            if tx._session is not None:
                tx._session.close()
            raw.execute("ROLLBACK TO SAVEPOINT action")
            raw.execute("RELEASE SAVEPOINT action")
            raise
        if tx._session is not None:
            tx._session.close()
        raw.execute("RELEASE SAVEPOINT action")
        return result

    def _keep(self, tx: Transaction) -> None:
        self.pending.extend(tx.events)
        self.wakes_worker = self.wakes_worker or tx.wakes_worker

    def _rekey(self, waiting: Waiting, key: str) -> None:
        waiting.keys = waiting.keys | {key}
        self.rekeyed.append(waiting)


class Writer:
    """The thread. `deliver` is called in it after each commit, with answers and stamped events."""

    def __init__(self, database: Database, lanes: Lanes, deliver: Deliver) -> None:
        self.database = database
        self.lanes = lanes
        self.deliver = deliver
        self.read_only = False
        self.batches = 0
        self.actions = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 15.0) -> None:
        """Write what waits, then end."""
        self.lanes.close()
        self._stopping.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        while not (self._stopping.is_set() and self.lanes.drained):
            if self.read_only:
                self._probe()
            batch = self.lanes.take(self.database.batch_size, timeout=0.2)
            if not batch:
                continue
            batch = self._drop_the_too_old(batch)
            if batch and self.read_only:
                self._refuse(batch, _read_only())
            elif batch:
                self._write(batch)

    def _write(self, batch: list[Waiting]) -> None:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                self._attempt(batch)
                return
            except Exception as error:
                fault = fault_of(error)
                if not self._survives(fault, error, batch, attempt):
                    return

    def _survives(self, fault: Fault, error: Exception, batch: list[Waiting], attempt: int) -> bool:
        """Whether to run the batch again; else everybody in it has been answered."""
        logger.warning("batch_failed", fault=fault.value, error=type(error).__name__, attempt=attempt, size=len(batch))
        if fault is Fault.FATAL:
            os._exit(EXIT_FSYNC)
        if fault is Fault.DISK_FULL:
            self.read_only = True
            self._refuse(batch, _read_only())
            return False
        if fault is Fault.OTHER:
            logger.error("batch_failed_unexpectedly", exc_info=error)
            self._refuse(batch, error)
            return False
        if fault is Fault.LOST:
            # The commit may or may not have happened: only actions that find their own first result may run again.
            self._refuse([w for w in batch if not is_repeatable(w.action)], _unknown())
            batch[:] = [w for w in batch if is_repeatable(w.action)]
        if attempt == MAX_TRIES:
            self._refuse(batch, Busy("The database is busy. Nothing is lost; try again in a moment.", retry_after=2))
            return False
        time.sleep(random.uniform(0, 0.01 * 2**attempt))
        return bool(batch)

    def _attempt(self, waiting: list[Waiting]) -> None:
        with self.database.writing.connect() as connection:
            batch = Batch(connection, self.database)
            try:
                with connection.begin():
                    self.database.lock_keys(connection, {key for w in waiting for key in w.keys})
                    left = batch.run(units(waiting))
                    stamped = log.stamp(connection, batch.pending) if batch.pending else []
            except BaseException:
                _forget(connection)
                raise
        self.batches += 1
        self.actions += len(batch.answers)
        self.lanes.put_back([*batch.rekeyed, *left])
        self.deliver(batch.answers, stamped, batch.wakes_worker)

    def _drop_the_too_old(self, batch: list[Waiting]) -> list[Waiting]:
        now = monotonic()
        late = [w for w in batch if now - w.since > PATIENCE[w.lane]]
        if late:
            self._refuse(late, Busy("Too much at once just now. Nothing is lost; try again.", retry_after=1))
            batch = [w for w in batch if now - w.since <= PATIENCE[w.lane]]
        return batch

    def _refuse(self, batch: list[Waiting], error: BaseException) -> None:
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


def units(waiting: list[Waiting]) -> Iterator[list[Waiting]]:
    """Split a batch into runs: calls of one bulk verb and workspace together, yet no call overtakes an earlier one of its keys."""
    left = list(waiting)
    while left:
        first = left[0]
        if not is_bulk(first.action):
            yield [left.pop(0)]
            continue
        unit: list[Waiting] = []
        passed: set[str] = set()
        rest: list[Waiting] = []
        for call in left:
            joins = call.action is first.action and call.who.workspace_id == first.who.workspace_id
            if joins and len(unit) < GROUP_SIZE and passed.isdisjoint(call.keys):
                unit.append(call)
            else:
                passed |= call.keys
                rest.append(call)
        left = rest
        yield unit


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
    return Busy("The line to the database broke; this may or may not have happened. Look before you repeat it.")
