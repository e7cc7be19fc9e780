"""Who may do what: `may()` is the one permission function, and the only place that knows roles."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MANAGER = "manager"
    AGENT = "agent"
    MARKETER = "marketer"
    EXPERT = "expert"
    AGENCY = "agency"


class Permission(StrEnum):
    READ = "read"  # conversations of one's scope
    REPLY = "reply"  # write to customers
    NOTE = "note"  # write to the team
    ASSIGN = "assign"
    RESOLVE = "resolve"  # resolve, reopen, snooze, wake
    SEARCH = "search"
    BLOCK = "block"
    MANAGE_INBOXES = "manage_inboxes"
    MANAGE_TEAMS = "manage_teams"
    MANAGE_SEATS = "manage_seats"
    MANAGE_OWNERS = "manage_owners"
    SEE_PEOPLE_FIGURES = "see_people_figures"
    SEE_ADDRESSES = "see_addresses"  # phone numbers and mail addresses of contacts


_WORK: Final = frozenset(
    {
        Permission.READ,
        Permission.REPLY,
        Permission.NOTE,
        Permission.ASSIGN,
        Permission.RESOLVE,
        Permission.SEARCH,
    }
)
_FULL_WORK: Final = _WORK | {Permission.BLOCK, Permission.SEE_ADDRESSES}
_RUN: Final = frozenset({Permission.MANAGE_INBOXES, Permission.MANAGE_TEAMS, Permission.MANAGE_SEATS})

GRANTS: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: _FULL_WORK | _RUN | {Permission.MANAGE_OWNERS, Permission.SEE_PEOPLE_FIGURES},
    Role.ADMIN: _FULL_WORK | _RUN | {Permission.SEE_PEOPLE_FIGURES},
    Role.MANAGER: _FULL_WORK | {Permission.MANAGE_TEAMS, Permission.SEE_PEOPLE_FIGURES},
    Role.AGENT: _FULL_WORK,
    Role.MARKETER: _FULL_WORK,
    Role.EXPERT: frozenset({Permission.READ, Permission.NOTE, Permission.SEARCH, Permission.SEE_ADDRESSES}),
    Role.AGENCY: _WORK,
}
ROLE_NOTES: Final[dict[Role, str]] = {
    Role.OWNER: "Everything; the only role that makes owners.",
    Role.ADMIN: "Everything but owners.",
    Role.MANAGER: "Conversations of their scope, teams, people's figures.",
    Role.AGENT: "Conversations of their inboxes, their own figures.",
    Role.MARKETER: "As agent; source and money reports come with them.",
    Role.EXPERT: "Only conversations they were let into; notes, no replies.",
    Role.AGENCY: "Only the inboxes given; no addresses of contacts.",
}
ALL: Final = None  # the scope of a viewer who sees every inbox


class Viewer(msgspec.Struct, frozen=True):
    """Whose eyes a query uses. `inbox_ids` None sees every inbox; `only_participant` sees only conversations let into."""

    workspace_id: str
    agent_id: str
    role: Role
    inbox_ids: frozenset[str] | None = ALL
    only_participant: bool = False
    session_id: str = ""

    @property
    def scope(self) -> str:
        """Viewers with equal scope see the same lists and counts; used as a cache key, never shown.

        A limited seat stands alone: beside its inboxes it sees what it was let into by name.
        """
        return "all" if self.sees_all else f"seat:{self.agent_id}"

    @property
    def sees_all(self) -> bool:
        return self.inbox_ids is None and not self.only_participant

    def sees(self, inbox_ids: tuple[str, ...], let_in: frozenset[str] = frozenset()) -> bool:
        """Whether a conversation of these inboxes, opened by name to the seats `let_in`, is this viewer's to see."""
        if self.sees_all or self.agent_id in let_in:
            return True
        if self.only_participant or self.inbox_ids is None:
            return False
        return any(i in self.inbox_ids for i in inbox_ids)


def may(viewer: Viewer, permission: Permission) -> bool:
    """Whether this seat may do this kind of thing at all. Whether it may see a given record is the query's business."""
    return permission in GRANTS[viewer.role]


def may_grant(viewer: Viewer, role: Role) -> bool:
    """Whether this seat may give somebody that role: nobody lifts another above themselves."""
    if not may(viewer, Permission.MANAGE_SEATS):
        return False
    return role is not Role.OWNER or may(viewer, Permission.MANAGE_OWNERS)


def permissions(viewer: Viewer) -> frozenset[str]:
    """All that this seat may do, for pages that show only what works."""
    return frozenset(p.value for p in GRANTS[viewer.role])
