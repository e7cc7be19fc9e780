"""Lists as predicates: the same words for the query that draws one and for the event that changes one."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from inbox.domain.access import Viewer
from inbox.domain.conversation import Status
from inbox.domain.errors import BadInput
from inbox.domain.events import ConversationState


class Name(StrEnum):
    MINE = "mine"
    UNASSIGNED = "unassigned"
    OPEN = "open"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


class Filter(StrEnum):
    ALL = "all"
    NEEDS_US = "needs_us"
    WAITING = "waiting"


STATUS_OF = {
    Name.MINE: Status.OPEN,
    Name.UNASSIGNED: Status.OPEN,
    Name.OPEN: Status.OPEN,
    Name.SNOOZED: Status.SNOOZED,
    Name.RESOLVED: Status.RESOLVED,
}


class View(msgspec.Struct, frozen=True):
    """One list. `key` is what sockets and markup call it."""

    name: Name
    filter: Filter = Filter.ALL
    sort: str = "due"

    @property
    def key(self) -> str:
        return f"{self.name}.{self.filter}.{self.sort}"

    def holds(self, state: ConversationState | None, viewer: Viewer, let_in: frozenset[str] = frozenset()) -> bool:
        """Whether a conversation in this state, opened by name to `let_in`, stands in the list of this viewer."""
        if state is None or state.is_merged or state.status != STATUS_OF[self.name]:
            return False
        if self.name is Name.MINE and state.assignee_id != viewer.agent_id:
            return False
        if self.name is Name.UNASSIGNED and state.assignee_id is not None:
            return False
        if self.filter is Filter.NEEDS_US and not state.is_owed:
            return False
        if self.filter is Filter.WAITING and state.is_owed:
            return False
        return viewer.sees(state.inbox_ids, let_in)

    def topic(self, viewer: Viewer) -> str:
        """Equal for viewers who see the same rows, so that a row is drawn once for all of them."""
        own = f":{viewer.agent_id}" if self.name is Name.MINE else ""
        return f"view:{self.key}:{viewer.scope}{own}"


def read_view(key: str) -> View:
    """The view a key names. Raises: BadInput."""
    parts = key.split(".")
    try:
        if len(parts) == 3 and parts[2] == "due":
            return View(Name(parts[0]), Filter(parts[1]))
    except ValueError:
        pass
    raise BadInput("There is no such list.", field="view")
