"""What the settings pages list: seats, teams, inboxes."""

from __future__ import annotations

import msgspec
from sqlmodel import col, select

from inbox.domain.access import Viewer
from inbox.domain.agent import Agent, SeatInbox, Team, TeamMember
from inbox.domain.inbox import Inbox
from inbox.domain.user import User
from inbox.store.transaction import Reading


class SeatCard(msgspec.Struct, frozen=True):
    """A seat with its sign-in address and scope (inbox ids; empty means all)."""

    id: str
    name: str
    email: str
    role: str
    is_senior: bool
    is_trainee: bool
    is_enabled: bool
    inbox_ids: frozenset[str]
    sees_all: bool


class TeamCard(msgspec.Struct, frozen=True):
    id: str
    name: str
    is_expert: bool
    member_ids: frozenset[str]


class InboxCard(msgspec.Struct, frozen=True):
    id: str
    name: str
    channel: str
    medium: str
    key: str
    target_seconds: int
    accent: str
    welcome: str
    allowed_sites: tuple[str, ...]
    is_enabled: bool


def seats(rx: Reading, viewer: Viewer) -> list[SeatCard]:
    """Every seat, by name."""
    scope: dict[str, set[str]] = {}
    for row in rx.session.exec(select(SeatInbox).where(SeatInbox.workspace_id == viewer.workspace_id)):
        scope.setdefault(row.agent_id, set()).add(row.inbox_id)
    query = (
        select(Agent, User.email)
        .join(User, col(User.id) == col(Agent.user_id))
        .where(Agent.workspace_id == viewer.workspace_id, col(Agent.is_robot).is_(False))
        .order_by(Agent.name)
    )
    return [
        SeatCard(
            a.id,
            a.name,
            email,
            a.role,
            a.is_senior,
            a.is_trainee,
            a.disabled_at is None,
            frozenset(scope.get(a.id, ())),
            a.sees_all_inboxes,
        )
        for a, email in rx.session.exec(query)
    ]


def teams(rx: Reading, viewer: Viewer) -> list[TeamCard]:
    """Every team, by name."""
    members: dict[str, set[str]] = {}
    for row in rx.session.exec(select(TeamMember).where(TeamMember.workspace_id == viewer.workspace_id)):
        members.setdefault(row.team_id, set()).add(row.agent_id)
    query = select(Team).where(Team.workspace_id == viewer.workspace_id).order_by(Team.name)
    return [TeamCard(t.id, t.name, t.is_expert, frozenset(members.get(t.id, ()))) for t in rx.session.exec(query)]


def inboxes(rx: Reading, viewer: Viewer) -> list[InboxCard]:
    """Every inbox of the viewer's scope, by name."""
    query = select(Inbox).where(Inbox.workspace_id == viewer.workspace_id).order_by(Inbox.name)
    return [
        InboxCard(
            i.id,
            i.name,
            i.channel,
            i.medium,
            i.key,
            i.target_seconds,
            str(i.config.get("accent", "")),
            str(i.config.get("welcome", "")),
            tuple(i.allowed_sites),
            i.disabled_at is None,
        )
        for i in rx.session.exec(query)
        if viewer.sees((i.id,))
    ]
