"""Seats in a workspace: invited, accepted, changed, switched off."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import col, select

from inbox.actions import workspace
from inbox.actions.sign_in import end_sessions, offer_reset
from inbox.domain.access import Role, Viewer, may_grant
from inbox.domain.agent import Agent, SeatInbox
from inbox.domain.errors import BadInput, Conflict, Gone, NotAllowed
from inbox.domain.events import SeatChanged
from inbox.domain.ids import new_token, token_hash
from inbox.domain.user import Invite, User
from inbox.store.transaction import Transaction

INVITE_HOURS = 72


def found_with_owner(
    tx: Transaction, *, slug: str, workspace_name: str, name: str, email: str, password_hash: str
) -> str:
    """The first run: a workspace, its owner, and a website inbox to begin with. Returns the user."""
    if not name or not workspace_name:
        raise BadInput("Give your name and the name of your company.", field="name")
    workspace.found(tx, slug=slug, name=workspace_name)
    user_id = workspace.add_user(tx, email=email, name=name, password_hash=password_hash)
    workspace.add_seat(tx, user_id=user_id, name=name, role=Role.OWNER)
    workspace.add_inbox(tx, channel="webchat", medium="webchat", name="Website", config={"brand": workspace_name})
    return user_id


def invite(tx: Transaction, viewer: Viewer, *, email: str, name: str, role: Role, inbox_ids: tuple[str, ...]) -> str:
    """A one-time link's token, valid 72 hours; stored only as a hash. Raises: NotAllowed, BadInput."""
    _require_grant(viewer, role)
    address = email.strip().lower()
    if "@" not in address:
        raise BadInput("That is not an email address.", field="email")
    token = new_token() + new_token()
    tx.add(
        Invite(
            workspace_id=tx.workspace_id,
            id=tx.new_id(),
            token_hash=token_hash(token),
            email=address,
            name=name.strip(),
            role=role.value,
            inbox_ids=" ".join(inbox_ids),
            invited_by_id=viewer.agent_id,
            created_at=tx.now,
            expires_at=tx.now + timedelta(hours=INVITE_HOURS),
        )
    )
    tx.audit("invite")
    return token


def accept_invite(tx: Transaction, token: str, *, name: str, password_hash: str) -> str:
    """Use an invite once. `password_hash` empty keeps the account the address already has. Raises: Gone, Conflict."""
    query = select(Invite).where(
        Invite.workspace_id == tx.workspace_id,
        Invite.token_hash == token_hash(token),
        col(Invite.used_at).is_(None),
        col(Invite.revoked_at).is_(None),
        Invite.expires_at > tx.now,
    )
    found = tx.session.exec(query).first() if token else None
    if found is None:
        raise Gone("This invite was used already or is too old. Ask for a new one.")
    found.used_at = tx.now
    user = tx.session.exec(select(User).where(User.email == found.email)).first()
    user_id = (
        user.id
        if user
        else workspace.add_user(tx, email=found.email, name=name or found.email, password_hash=password_hash)
    )
    seats = select(Agent).where(Agent.workspace_id == tx.workspace_id, Agent.user_id == user_id)
    if tx.session.exec(seats).first() is not None:
        raise Conflict("You have a seat here already. Just sign in.")
    inbox_ids = tuple(found.inbox_ids.split()) or None
    workspace.add_seat(
        tx,
        user_id=user_id,
        name=name or found.name or found.email,
        role=Role(found.role),
        inbox_ids=inbox_ids,
    )
    return user_id


def change_seat(
    tx: Transaction,
    viewer: Viewer,
    agent_id: str,
    *,
    role: Role,
    inbox_ids: tuple[str, ...] | None,
    is_senior: bool,
    is_trainee: bool,
    is_enabled: bool,
) -> None:
    """Role, scope, flags, and whether the seat lives. Raises: NotAllowed, Conflict for the last owner."""
    agent = tx.get(Agent, agent_id)
    _require_grant(viewer, Role(agent.role))
    _require_grant(viewer, role)
    if agent.role == Role.OWNER and (role is not Role.OWNER or not is_enabled):
        _require_another_owner(tx, agent_id)
    agent.role, agent.is_senior, agent.is_trainee = role.value, is_senior, is_trainee
    agent.sees_all_inboxes = inbox_ids is None
    agent.disabled_at = None if is_enabled else agent.disabled_at or tx.now
    for old in tx.session.exec(
        select(SeatInbox).where(SeatInbox.workspace_id == tx.workspace_id, SeatInbox.agent_id == agent_id)
    ):
        tx.session.delete(old)
    tx.flush()
    for inbox_id in inbox_ids or ():
        tx.add(SeatInbox(workspace_id=tx.workspace_id, agent_id=agent_id, inbox_id=inbox_id))
    tx.record(SeatChanged(agent_id=agent_id))
    tx.audit("change_seat", agent_id)


def offer_reset_to(tx: Transaction, viewer: Viewer, agent_id: str) -> str:
    """A one-time link for a colleague who forgot their password. Raises: NotAllowed."""
    agent = tx.get(Agent, agent_id)
    _require_grant(viewer, Role(agent.role))
    tx.audit("offer_reset", agent_id)
    return offer_reset(tx, agent.user_id)


def sign_out_everywhere(tx: Transaction, viewer: Viewer, agent_id: str) -> int:
    """End every session of a colleague. Raises: NotAllowed."""
    agent = tx.get(Agent, agent_id)
    _require_grant(viewer, Role(agent.role))
    tx.audit("sign_out_everywhere", agent_id)
    return end_sessions(tx, agent.user_id)


def _require_grant(viewer: Viewer, role: Role) -> None:
    if not may_grant(viewer, role):
        raise NotAllowed("Only somebody of that role or above may do this.")


def _require_another_owner(tx: Transaction, agent_id: str) -> None:
    others = select(Agent.id).where(
        Agent.workspace_id == tx.workspace_id,
        Agent.role == Role.OWNER,
        Agent.id != agent_id,
        col(Agent.disabled_at).is_(None),
    )
    if tx.session.exec(others).first() is None:
        raise Conflict("This is the last owner. Make somebody else an owner first.")
