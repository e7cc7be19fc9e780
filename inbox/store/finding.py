"""Search as a page shows it: hits as conversations, with the words that matched."""

from __future__ import annotations

import msgspec

from inbox.domain.access import Viewer
from inbox.domain.cards import RowCard
from inbox.domain.content import marked
from inbox.store import conversations, messages, search
from inbox.store.transaction import Reading

HITS = 40
ROUNDS = 5  # how many times more is asked when hits were not the viewer's to see


class Found(msgspec.Struct, frozen=True):
    """One conversation and where it matched: `parts` are (text, is it the match)."""

    row: RowCard
    parts: tuple[tuple[str, bool], ...]


def find(rx: Reading, viewer: Viewer, query: str) -> list[Found]:
    """Conversations whose messages, subject or person hold every word of `query`, newest match first."""
    chosen: dict[str, search.Hit] = {}
    before: int | None = None
    for _round in range(ROUNDS):
        hits = search.find_in_workspace(rx, viewer.workspace_id, query, before=before, limit=HITS * 2)
        seen = conversations.visible_ids(rx, viewer, {h.conversation_id for h in hits})
        for hit in hits:
            if hit.conversation_id in seen:
                chosen.setdefault(hit.conversation_id, hit)
        if len(hits) < HITS * 2 or len(chosen) >= HITS:
            break
        before = hits[-1].n
    picked = list(chosen.values())[:HITS]
    rows = conversations.rows_by_id(rx, viewer, [h.conversation_id for h in picked])
    ids = [h.ref_id for h in picked if h.kind == "message"]
    bodies = messages.cards_for_drawing_across_workspaces(rx, viewer.workspace_id, ids)
    found = []
    for hit in picked:
        row = rows.get(hit.conversation_id)
        if row is not None:
            card = bodies.get(hit.ref_id)
            found.append(Found(row, marked(card.body if card else row.subject or row.contact.name, query)))
    return found
