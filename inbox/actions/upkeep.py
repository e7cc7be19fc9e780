"""Housekeeping: what is kept only for a while."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import col, delete

from inbox.domain.user import Session
from inbox.store import log
from inbox.store.transaction import Transaction

KEEP_SESSIONS_DAYS = 30  # after their end: so long a stolen one can still be traced


def forget_old_events(tx: Transaction) -> int:
    """Cut the log behind its thirty days."""
    return log.forget_old(tx.connection, tx.workspace_id, tx.now)


def forget_old_sessions(tx: Transaction) -> int:
    old = delete(Session).where(col(Session.expires_at) < tx.now - timedelta(days=KEEP_SESSIONS_DAYS))
    return int(tx.connection.execute(old).rowcount)
