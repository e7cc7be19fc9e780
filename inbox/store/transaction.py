"""What an action and a query are given: a connection inside one transaction, an instant, ids, and a place to record Events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection
from sqlmodel import Session, SQLModel

from inbox.domain.audit import Audit
from inbox.domain.conversation import Conversation
from inbox.domain.errors import InboxError, NotFound, Rekey
from inbox.domain.events import ConversationEvent, ConversationState, Event
from inbox.domain.ids import new_id
from inbox.domain.job import Job
from inbox.domain.transit import Who
from inbox.store.engine import insert_or_ignore

M = TypeVar("M", bound=SQLModel)


class Reading:
    """One snapshot of the data. `session` is made when first used; objects it hands out must not leave the transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        if self._session is None:
            # Its own savepoint: a failed flush must not take the other actions of the batch with it.
            self._session = Session(
                self.connection,
                autoflush=False,
                expire_on_commit=False,
                join_transaction_mode="create_savepoint",
            )
        return self._session


class Transaction(Reading):
    """The writing side. Everything an action changes goes through here; the writer commits it, never the action."""

    def __init__(self, connection: Connection, now: datetime, who: Who, keys: frozenset[str], is_shared: bool) -> None:
        super().__init__(connection, now)
        self.who = who
        self.workspace_id = who.workspace_id
        self.keys = keys
        self.is_shared = is_shared
        self.events: list[tuple[Who, datetime, Event]] = []
        self.wakes_worker = False
        self._states: dict[str, ConversationState] = {}

    def new_id(self) -> str:
        return new_id()

    def get(self, model: type[M], key: str) -> M:
        """The record of this workspace. Raises: NotFound."""
        found = self.session.get(model, (self.workspace_id, key))
        if found is None:
            raise NotFound(f"There is no such {model.__name__.lower()} here.")
        return found

    def find(self, model: type[M], key: str | None) -> M | None:
        return None if key is None else self.session.get(model, (self.workspace_id, key))

    def conversation(self, key: str) -> Conversation:
        """The conversation, its state remembered as "before" of the next event. Raises: NotFound, Rekey."""
        self.require(f"conversation:{key}")
        found = self.get(Conversation, key)
        self._states.setdefault(key, found.state())
        return found

    def require(self, key: str) -> None:
        """Hold the lock of `key`, where other hosts write too. Raises: Rekey when the action came without it."""
        if self.is_shared and key not in self.keys:
            raise Rekey(key)

    def add(self, record: M) -> M:
        """Store a new record at once: without mapped relationships the ORM would not know that a row needs another one first."""
        self.session.add(record)
        self.session.flush()
        return record

    def flush(self) -> None:
        """Send what was changed so far, so that statements of Core see it."""
        if self._session is not None:
            self._session.flush()

    def record(self, event: Event, conversation: Conversation | None = None) -> None:
        """Note that this happened. With `conversation`, its filter columns before and after are filled in."""
        if conversation is not None and isinstance(event, ConversationEvent):
            after = conversation.state()
            event = msgspec.structs.replace(event, before=self._states.get(conversation.id), after=after)
            self._states[conversation.id] = after
        self.events.append((self.who, self.now, event))

    def put_job(
        self, kind: str, payload: dict[str, Any], *, run_at: datetime | None = None, key: str | None = None
    ) -> None:
        """Durable work for later: commits with the action or not at all. A `key` that was put before is not put again."""
        row = Job(
            workspace_id=self.workspace_id,
            id=self.new_id(),
            kind=kind,
            key=key,
            payload=payload,
            run_at=run_at or self.now,
            created_at=self.now,
        )
        self.connection.execute(insert_or_ignore(Job.__table__).values(row.model_dump()))  # type: ignore[attr-defined]
        self.wakes_worker = True

    def audit(self, action: str, subject: str = "") -> None:
        """Who did what, from where; never any text."""
        self.add(
            Audit(
                workspace_id=self.workspace_id,
                id=self.new_id(),
                at=self.now,
                actor_kind=self.who.actor_kind,
                actor_id=self.who.actor_id,
                action=action,
                subject=subject,
                network=self.who.network,
            )
        )


class BulkItem(msgspec.Struct, frozen=True):
    """One caller's part of a bulk call: its arguments, who asks, its own instant, the keys it holds."""

    args: tuple[Any, ...]
    who: Who
    now: datetime
    keys: frozenset[str]


BulkVerb = Callable[[Transaction, list[BulkItem]], list[Any]]
_BULK: set[Callable[..., Any]] = set()
_REPEATABLE: set[Callable[..., Any]] = set()


def bulk(verb: BulkVerb) -> BulkVerb:
    """Mark a verb whose waiting calls of one workspace are run as one: results (or refusals) by position."""
    _BULK.add(verb)
    _REPEATABLE.add(verb)
    return verb


A = TypeVar("A", bound=Callable[..., Any])


def repeatable(action: A) -> A:
    """Mark an action that finds its own first result again by client_id, so that it may run twice when a commit's fate is unknown."""
    _REPEATABLE.add(action)
    return action


def is_bulk(action: Callable[..., Any]) -> bool:
    return action in _BULK


def is_repeatable(action: Callable[..., Any]) -> bool:
    return action in _REPEATABLE


Refusal = InboxError
