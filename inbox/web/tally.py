"""The rail's numbers of one access scope: a snapshot, then plus and minus one per event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inbox.domain.access import Viewer
from inbox.domain.cards import CountsCard, tally
from inbox.domain.events import ConversationEvent, Stamped
from inbox.store import conversations, log
from inbox.store.transaction import Reading


class Tally:
    """The numbers of one scope at one seq."""

    def __init__(self, workspace_id: str, viewer: Viewer) -> None:
        self.workspace_id = workspace_id
        self.viewer = viewer
        self.seq = -1
        self.groups: dict[tuple[Any, ...], int] = {}
        self.shown: CountsCard | None = None
        self.mine_shown = -1

    def follows(self, events: list[Stamped]) -> bool:
        """Whether these events can be added up. A limited seat is counted anew: what it was let into is not in them."""
        return self.viewer.sees_all and self.seq >= 0 and events[0].seq <= self.seq + 1

    def take(self, seq: int, groups: Mapping[tuple[Any, ...], int]) -> None:
        self.seq, self.groups = seq, dict(groups)

    def apply(self, events: list[Stamped]) -> None:
        for stamped in events:
            if stamped.seq <= self.seq:
                continue
            self.seq = stamped.seq
            event = stamped.event
            if isinstance(event, ConversationEvent) and event.before != event.after:
                self._add(event.before, -1)
                self._add(event.after, 1)

    def _add(self, state: Any, step: int) -> None:
        if state is None or state.is_merged:
            return
        key = (state.status, state.assignee_id, not state.is_owed, state.is_late, state.medium)
        self.groups[key] = self.groups.get(key, 0) + step

    def card(self) -> CountsCard:
        return tally([(*key, n) for key, n in self.groups.items() if n], "")[0]

    def mine(self, agent_id: str) -> int:
        return sum(n for (status, who, *_), n in self.groups.items() if status == "open" and who == agent_id)


def count_groups(rx: Reading, viewer: Viewer) -> tuple[int, dict[tuple[Any, ...], int]]:
    """The head and the numbers by group, in one snapshot."""
    return log.head(rx, viewer.workspace_id), conversations.count_groups(rx, viewer)
