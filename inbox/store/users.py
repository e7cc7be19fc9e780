"""Questions about who signs in. Users stand above workspaces, so these are asked by the edge that knows the session."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlmodel import col, select

from inbox.domain.agent import Agent
from inbox.domain.user import Invite, PasswordReset, Session, User
from inbox.store.transaction import Reading


class SignedIn(msgspec.Struct, frozen=True):
    """A living session and whose it is."""

    session_id: str
    csrf: str
    user_id: str
    email: str
    name: str
    locale: str
    theme: str
    seen_at: datetime


class SessionCard(msgspec.Struct, frozen=True):
    id: str
    user_agent: str
    network: str
    seen_at: datetime


def session_across_workspaces(rx: Reading, token_hash: str) -> SignedIn | None:
    """The session of a token, if it lives."""
    query = (
        select(Session, User)
        .join(User, col(User.id) == col(Session.user_id))
        .where(
            Session.token_hash == token_hash,
            col(Session.revoked_at).is_(None),
            Session.expires_at > rx.now,
            col(User.disabled_at).is_(None),
        )
    )
    found = rx.session.exec(query).first()
    if found is None:
        return None
    session, user = found
    return SignedIn(session.id, session.csrf, user.id, user.email, user.name, user.locale, user.theme, session.seen_at)


def sessions_of_user_across_workspaces(rx: Reading, user_id: str) -> list[SessionCard]:
    """Where this person is signed in, newest first."""
    query = (
        select(Session)
        .where(Session.user_id == user_id, col(Session.revoked_at).is_(None), Session.expires_at > rx.now)
        .order_by(col(Session.seen_at).desc())
    )
    return [SessionCard(s.id, s.user_agent, s.network, s.seen_at) for s in rx.session.exec(query)]


def password_across_workspaces(rx: Reading, email: str) -> tuple[str, str] | None:
    """(user id, hash) of a living user."""
    query = select(User.id, User.password_hash).where(User.email == email, col(User.disabled_at).is_(None))
    found = rx.session.exec(query).first()
    return None if found is None else (found[0], found[1])


def has_users_across_workspaces(rx: Reading) -> bool:
    return rx.session.exec(select(User.id).limit(1)).first() is not None


def seats_of_user_across_workspaces(rx: Reading, user_id: str) -> list[tuple[str, str]]:
    """(workspace id, agent id) of each seat."""
    query = select(Agent.workspace_id, Agent.id).where(Agent.user_id == user_id)
    return [(w, a) for w, a in rx.session.exec(query)]


def invite_across_workspaces(rx: Reading, token_hash: str) -> Invite | None:
    """A living invite, detached. An unknown, used, revoked or old one is None."""
    query = select(Invite).where(
        Invite.token_hash == token_hash,
        col(Invite.used_at).is_(None),
        col(Invite.revoked_at).is_(None),
        Invite.expires_at > rx.now,
    )
    found = rx.session.exec(query).first()
    if found is not None:
        rx.session.expunge(found)
    return found


def reset_across_workspaces(rx: Reading, token_hash: str) -> PasswordReset | None:
    """A living password reset, detached."""
    query = select(PasswordReset).where(
        PasswordReset.token_hash == token_hash,
        col(PasswordReset.used_at).is_(None),
        PasswordReset.expires_at > rx.now,
    )
    found = rx.session.exec(query).first()
    if found is not None:
        rx.session.expunge(found)
    return found
