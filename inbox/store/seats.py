"""Questions about seats: who sits here, what they may see, which faces stand in lists."""

from __future__ import annotations

from sqlmodel import col, select

from inbox.domain.access import Role, Viewer
from inbox.domain.agent import Agent, SeatInbox
from inbox.domain.cards import PersonCard, face
from inbox.domain.errors import NotFound
from inbox.domain.workspace import Workspace
from inbox.store.transaction import Reading


def viewer_of_user_across_workspaces(
    rx: Reading, slug: str, user_id: str, session_id: str = ""
) -> tuple[Viewer, Agent, Workspace]:
    """The seat of a signed-in user in the workspace of that slug. Raises: NotFound (also when it was switched off)."""
    workspace = rx.session.exec(select(Workspace).where(Workspace.slug == slug)).first()
    if workspace is not None:
        query = select(Agent).where(Agent.workspace_id == workspace.id, Agent.user_id == user_id)
        agent = rx.session.exec(query).first()
        if agent is not None and agent.disabled_at is None:
            return viewer_of_across_workspaces(rx, agent, session_id), agent, workspace
    raise NotFound("There is no such workspace, or you have no seat in it.")


def viewer_by_id_across_workspaces(rx: Reading, workspace_id: str, agent_id: str) -> Viewer | None:
    """The eyes of a seat, or None when it is gone or switched off."""
    agent = rx.session.get(Agent, (workspace_id, agent_id))
    return viewer_of_across_workspaces(rx, agent) if agent is not None and agent.disabled_at is None else None


def viewer_of_across_workspaces(rx: Reading, agent: Agent, session_id: str = "") -> Viewer:
    """The eyes of this seat."""
    role = Role(agent.role)
    inbox_ids: frozenset[str] | None = None
    if not agent.sees_all_inboxes:
        query = select(SeatInbox.inbox_id).where(
            SeatInbox.workspace_id == agent.workspace_id, SeatInbox.agent_id == agent.id
        )
        inbox_ids = frozenset(rx.session.exec(query).all())
    return Viewer(
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        role=role,
        inbox_ids=inbox_ids,
        only_participant=role is Role.EXPERT,
        session_id=session_id,
    )


def faces(rx: Reading, viewer: Viewer) -> list[PersonCard]:
    """Everybody who may be given a conversation, by name."""
    query = (
        select(Agent)
        .where(
            Agent.workspace_id == viewer.workspace_id,
            col(Agent.disabled_at).is_(None),
            Agent.role != Role.EXPERT,
        )
        .order_by(Agent.name)
    )
    return [face(a.id, a.name) for a in rx.session.exec(query)]


def workspaces_of_user_across_workspaces(rx: Reading, user_id: str) -> list[tuple[Workspace, Agent]]:
    """Every workspace in which this user has a living seat."""
    query = (
        select(Workspace, Agent)
        .where(Agent.workspace_id == Workspace.id, Agent.user_id == user_id, col(Agent.disabled_at).is_(None))
        .order_by(Workspace.name)
    )
    return [(workspace, agent) for workspace, agent in rx.session.exec(query)]


def slug_across_workspaces(rx: Reading, workspace_id: str) -> str:
    """What stands in the URLs of a workspace."""
    workspace = rx.session.get(Workspace, workspace_id)
    return workspace.slug if workspace else ""
