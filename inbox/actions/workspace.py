"""Founding a workspace and giving it seats, teams and inboxes."""

from __future__ import annotations

from typing import Any

from inbox.domain.access import Role
from inbox.domain.agent import Agent, SeatInbox, Team, TeamMember
from inbox.domain.errors import BadInput
from inbox.domain.events import InboxChanged, SeatChanged, TeamChanged
from inbox.domain.ids import new_token
from inbox.domain.inbox import DEFAULT_TARGET_SECONDS, OTHER_TARGET_SECONDS, Inbox
from inbox.domain.user import User
from inbox.domain.workspace import LogHead, Workspace
from inbox.store.transaction import Transaction


def found(tx: Transaction, *, slug: str, name: str, is_demo: bool = False, locale: str = "en") -> str:
    """Make an empty workspace, named by `tx.workspace_id`. Raises: BadInput for a slug that cannot stand in a URL."""
    if not slug or not slug.replace("-", "").isalnum() or not slug.isascii() or slug != slug.lower():
        raise BadInput("Use small letters, digits and hyphens for the address.", field="slug")
    tx.add(Workspace(id=tx.workspace_id, slug=slug, name=name, is_demo=is_demo, locale=locale, created_at=tx.now))
    tx.flush()
    tx.add(LogHead(workspace_id=tx.workspace_id))
    tx.flush()
    return tx.workspace_id


def add_user(tx: Transaction, *, email: str, name: str, password_hash: str = "") -> str:
    """Somebody who can sign in. Raises: BadInput for an address without an @."""
    address = email.strip().lower()
    if "@" not in address or len(address) > 320:
        raise BadInput("That is not an email address.", field="email")
    user = tx.add(
        User(id=tx.new_id(), email=address, name=name.strip(), password_hash=password_hash, created_at=tx.now)
    )
    tx.flush()
    return user.id


def add_seat(
    tx: Transaction,
    *,
    user_id: str,
    name: str,
    role: Role,
    inbox_ids: tuple[str, ...] | None = None,
    **flags: Any,
) -> str:
    """A seat for a user; `inbox_ids` None sees every inbox. `flags` are columns of Agent (is_senior, is_robot, …)."""
    agent = tx.add(
        Agent(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            user_id=user_id,
            name=name,
            role=role.value,
            sees_all_inboxes=inbox_ids is None,
            created_at=tx.now,
            **flags,
        )
    )
    tx.flush()
    for inbox_id in inbox_ids or ():
        tx.add(SeatInbox(workspace_id=tx.workspace_id, agent_id=agent.id, inbox_id=inbox_id))
    tx.record(SeatChanged(agent_id=agent.id))
    return agent.id


def add_team(tx: Transaction, *, name: str, is_expert: bool = False, agent_ids: tuple[str, ...] = ()) -> str:
    """A team and who is in it."""
    team = tx.add(Team(workspace_id=tx.workspace_id, id=tx.new_id(), name=name, is_expert=is_expert, created_at=tx.now))
    tx.flush()
    for agent_id in agent_ids:
        tx.add(TeamMember(workspace_id=tx.workspace_id, team_id=team.id, agent_id=agent_id))
    tx.record(TeamChanged(team_id=team.id))
    return team.id


def add_inbox(
    tx: Transaction,
    *,
    channel: str,
    medium: str,
    name: str,
    config: dict[str, Any] | None = None,
    key: str | None = None,
) -> str:
    """An inbox with a fresh public key (or `key`, so that a demo page can name it)."""
    inbox = tx.add(
        Inbox(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            channel=channel,
            medium=medium,
            name=name,
            key=key or new_token(),
            target_seconds=DEFAULT_TARGET_SECONDS.get(medium, OTHER_TARGET_SECONDS),
            config=config or {},
            created_at=tx.now,
        )
    )
    tx.flush()
    tx.record(InboxChanged(inbox_id=inbox.id))
    return inbox.id
