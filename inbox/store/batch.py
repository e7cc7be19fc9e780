"""One attempt at one transaction: each call on its own when it is refused, calls of one bulk verb together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import structlog
from sqlalchemy import Connection

from inbox.domain.clock import monotonic
from inbox.domain.errors import InboxError, Rekey
from inbox.store.engine import Database, Fault, fault_of
from inbox.store.lanes import Waiting
from inbox.store.transaction import BulkItem, Transaction, is_bulk

RUN_SECONDS = 0.005  # a batch closes after this much run time, so that nobody waits behind a crowd
GROUP_SIZE = 128  # most calls merged into one run of a bulk verb

logger = structlog.get_logger()
Answer = tuple[Waiting, Any, BaseException | None]


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
            if len(unit) == 1 and isinstance(error, Rekey):
                self._rekey(unit[0], error.key)
                return
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
        except BaseException as error:
            try:
                if tx._session is not None:
                    tx._session.close()
                raw.execute("ROLLBACK TO SAVEPOINT action")
                raw.execute("RELEASE SAVEPOINT action")
            except Exception:
                # A full disk or a broken line took the whole transaction: then the first error says what happened.
                if fault_of(error) is Fault.OTHER:
                    raise
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
