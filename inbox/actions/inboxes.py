"""Website inboxes and teams, as the settings pages change them."""

from __future__ import annotations

import re

import msgspec
from sqlmodel import select

from inbox.actions import workspace
from inbox.domain.access import Permission, Viewer, may
from inbox.domain.agent import Agent, Team, TeamMember
from inbox.domain.errors import BadInput, NotAllowed
from inbox.domain.events import InboxChanged, TeamChanged
from inbox.domain.inbox import Inbox
from inbox.store.transaction import Transaction

_SITE = re.compile(r"^https?://[a-zA-Z0-9.-]+(:\d{1,5})?$")
_COLOUR = re.compile(r"^#[0-9a-fA-F]{6}$")
MAX_TARGET_SECONDS = 7 * 86_400


def add_website(tx: Transaction, viewer: Viewer, *, name: str) -> str:
    """A website chat inbox. Raises: NotAllowed, BadInput."""
    _require(viewer, Permission.MANAGE_INBOXES)
    tx.audit("add_inbox")
    return workspace.add_inbox(tx, channel="webchat", medium="webchat", name=_name(name))


class Website(msgspec.Struct, frozen=True):
    """How a website inbox looks, where it may stand (origins, white space between), what it promises."""

    name: str
    accent: str
    welcome: str
    sites: str
    target_seconds: int
    is_enabled: bool


def change_website(tx: Transaction, viewer: Viewer, inbox_id: str, wanted: Website) -> None:
    """Raises: NotAllowed, BadInput naming the field."""
    _require(viewer, Permission.MANAGE_INBOXES)
    inbox = tx.get(Inbox, inbox_id)
    origins = wanted.sites.split()
    if any(not _SITE.match(origin) for origin in origins):
        raise BadInput("Write sites as https://shop.example.com, one a line.", field="sites")
    if not _COLOUR.match(wanted.accent):
        raise BadInput("Choose a colour like #21783b.", field="accent")
    if not 1 <= wanted.target_seconds <= MAX_TARGET_SECONDS:
        raise BadInput("Promise an answer within a second and a week.", field="target_seconds")
    inbox.name, inbox.target_seconds, inbox.allowed_sites = _name(wanted.name), wanted.target_seconds, origins
    inbox.config = {**inbox.config, "accent": wanted.accent, "welcome": wanted.welcome[:300]}
    inbox.disabled_at = None if wanted.is_enabled else inbox.disabled_at or tx.now
    tx.record(InboxChanged(inbox_id=inbox_id))
    tx.audit("change_inbox", inbox_id)


def add_team(tx: Transaction, viewer: Viewer, *, name: str) -> str:
    """Raises: NotAllowed, BadInput."""
    _require(viewer, Permission.MANAGE_TEAMS)
    tx.audit("add_team")
    return workspace.add_team(tx, name=_name(name))


def change_team(tx: Transaction, viewer: Viewer, team_id: str, *, name: str, member_ids: tuple[str, ...]) -> None:
    """Its name and who is in it. Raises: NotAllowed, BadInput, NotFound."""
    _require(viewer, Permission.MANAGE_TEAMS)
    team = tx.get(Team, team_id)
    team.name = _name(name)
    old = select(TeamMember).where(TeamMember.workspace_id == tx.workspace_id, TeamMember.team_id == team_id)
    for member in tx.session.exec(old):
        tx.session.delete(member)
    tx.flush()
    for agent_id in member_ids:
        tx.get(Agent, agent_id)
        tx.add(TeamMember(workspace_id=tx.workspace_id, team_id=team_id, agent_id=agent_id))
    tx.record(TeamChanged(team_id=team_id))
    tx.audit("change_team", team_id)


def _require(viewer: Viewer, permission: Permission) -> None:
    if not may(viewer, permission):
        raise NotAllowed("Your seat may not change this. Ask an admin of your workspace.")


def _name(name: str) -> str:
    if not 1 <= len(name.strip()) <= 100:
        raise BadInput("Give it a name of up to 100 characters.", field="name")
    return name.strip()
