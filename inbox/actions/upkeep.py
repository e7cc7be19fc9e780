"""Housekeeping: what is kept only for a while, removed a slice at a time so that nobody waits behind it."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import col, delete, or_, select

from inbox.domain.user import PasswordReset, Session
from inbox.store import log
from inbox.store.transaction import Transaction

KEEP_SESSIONS_DAYS = 30  # after their end: so long a stolen one can still be traced
SLICE = 500  # rows of one action


def forget_old_events(tx: Transaction) -> int:
    """Cut the log behind its thirty days."""
    return log.forget_old(tx.connection, tx.workspace_id, tx.now, most=SLICE)


def forget_old_sessions(tx: Transaction) -> int:
    """Remove sessions that ended long ago, with the one-time links to a new password."""
    before = tx.now - timedelta(days=KEEP_SESSIONS_DAYS)
    ended = select(Session.id).where(or_(col(Session.expires_at) < before, col(Session.revoked_at) < before))
    stale = select(PasswordReset.id).where(col(PasswordReset.expires_at) < before)
    gone = tx.connection.execute(delete(Session).where(col(Session.id).in_(ended.limit(SLICE)))).rowcount
    tx.connection.execute(delete(PasswordReset).where(col(PasswordReset.id).in_(stale.limit(SLICE))))
    return int(gone)
