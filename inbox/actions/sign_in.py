"""Signing in and out, and choosing a password. Hashes are made before, at the edge: they take a third of a second."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import col, select

from inbox.domain.agent import Agent
from inbox.domain.errors import Gone
from inbox.domain.events import SessionEnded
from inbox.domain.ids import new_token, token_hash
from inbox.domain.transit import Who
from inbox.domain.user import PasswordReset, Session, User
from inbox.store.transaction import Transaction

SESSION_DAYS = 14  # absolute, whatever is done with it
SESSION_IDLE_HOURS = 12
RESET_HOURS = 1


def open_session(tx: Transaction, user_id: str, *, token: str, csrf: str, user_agent: str, network: str) -> str:
    """A new session for this token (never an old one lifted: a fixed id must not become a signed-in one)."""
    session = tx.add(
        Session(
            id=tx.new_id(),
            token_hash=token_hash(token),
            user_id=user_id,
            csrf=csrf,
            user_agent=user_agent[:200],
            network=network,
            created_at=tx.now,
            seen_at=tx.now,
            expires_at=tx.now + timedelta(days=SESSION_DAYS),
        )
    )
    return session.id


def end_sessions(tx: Transaction, user_id: str, *, only: str = "", but: str = "") -> int:
    """End one session, or all but one; their sockets close. Returns how many ended."""
    query = select(Session).where(Session.user_id == user_id, col(Session.revoked_at).is_(None))
    ended = [s for s in tx.session.exec(query) if (not only or s.id == only) and s.id != but]
    seats = tx.session.exec(select(Agent).where(Agent.user_id == user_id)).all()
    for session in ended:
        session.revoked_at = tx.now
        for seat in seats:
            event = SessionEnded(agent_id=seat.id, session_id=session.id)
            tx.events.append((Who(seat.workspace_id, tx.who.actor_kind, tx.who.actor_id), tx.now, event))
    return len(ended)


def see_session(tx: Transaction, session_id: str) -> None:
    """It was used just now."""
    session = tx.session.get(Session, session_id)
    if session is not None:
        session.seen_at = tx.now


def change_password(tx: Transaction, user_id: str, password_hash: str, *, keep: str = "") -> None:
    """Another password; every other session of this person ends."""
    user = tx.session.get(User, user_id)
    assert user is not None
    user.password_hash = password_hash
    end_sessions(tx, user_id, but=keep)


def change_profile(
    tx: Transaction, user_id: str, *, name: str = "", locale: str | None = None, theme: str | None = None
) -> None:
    """Name, language, theme: what is given."""
    user = tx.session.get(User, user_id)
    assert user is not None
    user.name = name or user.name
    user.locale = user.locale if locale is None else locale
    user.theme = user.theme if theme is None else theme
    if name:
        for seat in tx.session.exec(select(Agent).where(Agent.user_id == user_id)):
            seat.name = name


def offer_reset(tx: Transaction, user_id: str) -> str:
    """A one-time link for this user; returns its token, which is stored nowhere."""
    token = new_token()
    tx.add(
        PasswordReset(
            id=tx.new_id(),
            token_hash=token_hash(token),
            user_id=user_id,
            created_at=tx.now,
            expires_at=tx.now + timedelta(hours=RESET_HOURS),
        )
    )
    return token


def use_reset(tx: Transaction, token: str, password_hash: str) -> str:
    """Choose a password by a one-time link. Returns the user. Raises: Gone when it was used, is unknown or too old."""
    query = select(PasswordReset).where(
        PasswordReset.token_hash == token_hash(token),
        col(PasswordReset.used_at).is_(None),
        PasswordReset.expires_at > tx.now,
    )
    found = tx.session.exec(query).first() if token else None
    if found is None:
        raise Gone("This link was used already or is too old. Ask for a new one.")
    found.used_at = tx.now
    change_password(tx, found.user_id, password_hash)
    return found.user_id
