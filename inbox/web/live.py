"""Event to HTML: each change is drawn once per (topic, language) that somebody watches, from the rows as they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from inbox.domain.access import Viewer
from inbox.domain.cards import MessageCard, RowCard
from inbox.domain.events import ContactNamed, ConversationEvent, ReadMarkMoved, Stamped, ThreadReadByVisitor
from inbox.realtime.hub import Frames, Key, Subscription
from inbox.realtime.wire import text_frame
from inbox.store import conversations, messages, seats
from inbox.store.store import Store
from inbox.store.transaction import Reading
from inbox.web.tally import Tally, count_groups
from inbox.web.widget import frames as visitor_frames

MAX_HTML = 56_000  # bytes of fragments in one frame, under the 64 KiB a frame may have once JSON has quoted them


class Painter(Protocol):
    """The template engine as this file needs it."""

    def render(self, name: str, locale: str, **context: Any) -> str: ...

    def render_block(self, name: str, block: str, locale: str, **context: Any) -> str: ...


class Hydrated(msgspec.Struct, frozen=True):
    """The rows a batch of events speaks of, as they stand in one snapshot."""

    rows: dict[str, RowCard]
    messages: dict[str, MessageCard]
    let_in: dict[str, frozenset[str]]
    turned: list[MessageCard]
    spoken: list[MessageCard] = []
    slug: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """Which rows a batch of events needs: conversations, messages, threads read, conversations whose contact has a new name."""

    about: set[str]
    shown: set[str]
    read_threads: set[str]
    renamed: set[str]
    limited: bool


class Live:
    """Draws for the hub. Keeps the rail's numbers per access scope: a snapshot, then plus and minus one per event."""

    def __init__(self, store: Store, painter: Painter) -> None:
        self.store = store
        self.painter = painter
        self.counts: dict[tuple[str, str], Tally] = {}

    async def draw(self, workspace_id: str, events: list[Stamped], wanted: Mapping[Key, Subscription]) -> Frames:
        """Frames by (topic, language), each one or more encoded websocket frames joined."""
        rows = await self._hydrate(workspace_id, events, wanted)
        html: dict[Key, list[str]] = {}
        for key, subscription in wanted.items():
            kind = subscription.topic.partition(":")[0]
            if kind == "conversation":
                html[key] = self._conversation(events, rows, subscription)
            elif kind == "view":
                html[key] = self._list(events, rows, subscription)
            elif kind == "counts":
                html[key] = await self._counts(workspace_id, events, subscription)
            elif kind == "seat":
                html[key] = await self._seat(workspace_id, events, subscription)
        seq = events[-1].seq
        drawn = {key: _frames(wanted[key].topic, seq, parts) for key, parts in html.items() if parts}
        drawn |= visitor_frames.draw(events, rows.messages, wanted)
        return drawn

    async def _hydrate(self, workspace_id: str, events: list[Stamped], wanted: Mapping[Key, Subscription]) -> Hydrated:
        about, shown, read_threads, renamed = set[str](), set[str](), set[str](), set[str]()
        topics = {topic for topic, _ in wanted}
        lists = any(topic.startswith("view:") for topic in topics)
        for stamped in events:
            event = stamped.event
            if isinstance(event, ConversationEvent):
                is_open = not topics.isdisjoint(event.topics())
                if lists or is_open:
                    about.add(event.conversation_id)
                if is_open and event.message_id:
                    shown.add(event.message_id)
                if is_open and isinstance(event, ThreadReadByVisitor):
                    read_threads.add(event.thread_id)
                if is_open and isinstance(event, ContactNamed):
                    renamed.add(event.conversation_id)
        if not about and not shown:
            return Hydrated({}, {}, {}, [])
        limited = any(s.viewer is not None and not s.viewer.sees_all for s in wanted.values())
        return await self.store.read(
            hydrate_across_workspaces, workspace_id, Wanted(about, shown, read_threads, renamed, limited)
        )

    def _conversation(self, events: list[Stamped], rows: Hydrated, subscription: Subscription) -> list[str]:
        """The open conversation: its new entries, its head and cards, and ticks that turned."""
        own = subscription.topic.partition(":")[2]
        row = rows.rows.get(own)
        mine = [
            s
            for s in events
            if isinstance(s.event, ConversationEvent) and s.event.conversation_id == own and s.event.drawn
        ]
        if row is None or not mine:
            return []
        parts = [self._entries(stamped, rows, subscription.locale) for stamped in mine]
        # Head and cards show the row as it stands, so one drawing serves all that happened in this portion.
        last = f"agent/live/{mine[-1].type_name}.html"
        parts.append(self.painter.render_block(last, "about", subscription.locale, row=row, slug=rows.slug))
        return parts

    def _entries(self, stamped: Stamped, rows: Hydrated, locale: str) -> str:
        """The entries of the timeline that one event brought or changed."""
        event = stamped.event
        assert isinstance(event, ConversationEvent)
        changed = {ThreadReadByVisitor: rows.turned, ContactNamed: rows.spoken}.get(type(event), [])
        message = rows.messages.get(event.message_id)
        turned = tuple(m for m in changed if m.conversation_id == event.conversation_id)
        if message is None and not turned:
            return ""
        name = f"agent/live/{stamped.type_name}.html"
        return self.painter.render_block(name, "entries", locale, message=message, messages=turned)

    def _list(self, events: list[Stamped], rows: Hydrated, subscription: Subscription) -> list[str]:
        """One list: each conversation that changed is put at its place or taken out, once however often it changed."""
        view, viewer = subscription.view, subscription.viewer
        assert view is not None and viewer is not None
        parts: list[str] = []
        for conversation_id, (name, before, after, was_in) in _changes(events, rows, view, viewer).items():
            row = rows.rows.get(conversation_id)
            stays = row is not None and after
            if stays or before or was_in:
                parts.append(
                    self.painter.render_block(
                        f"agent/live/{name}.html",
                        "row",
                        subscription.locale,
                        row=row if stays else None,
                        gone=None if stays else conversation_id,
                        key=view.key,
                        slug=rows.slug,
                    )
                )
        return parts

    async def _counts(self, workspace_id: str, events: list[Stamped], subscription: Subscription) -> list[str]:
        tally = await self._tally(workspace_id, subscription)
        before = tally.shown
        await self._advance(tally, events)
        card = tally.card()
        if card == before:
            return []
        tally.shown = card
        return [self.painter.render("agent/inbox/_counts.html", subscription.locale, counts=card)]

    async def _seat(self, workspace_id: str, events: list[Stamped], subscription: Subscription) -> list[str]:
        """What only this person sees: the number of theirs, and their marks."""
        viewer = subscription.viewer
        assert viewer is not None
        parts = [
            self.painter.render_block("agent/live/read_mark_moved.html", "seat", subscription.locale, mark=s.event)
            for s in events
            if isinstance(s.event, ReadMarkMoved) and s.event.agent_id == viewer.agent_id
        ]
        tally = await self._tally(workspace_id, subscription)
        before = tally.mine_shown
        await self._advance(tally, events)
        if (mine := tally.mine(viewer.agent_id)) != before:
            tally.mine_shown = mine
            parts.append(self.painter.render("agent/inbox/_mine.html", subscription.locale, mine=mine))
        return parts

    async def _tally(self, workspace_id: str, subscription: Subscription) -> Tally:
        # One per topic and language: each remembers what it showed last, so an equal number is not drawn again.
        tally = self.counts.get(subscription.key)
        if tally is None or tally.workspace_id != workspace_id:
            assert subscription.viewer is not None
            tally = Tally(workspace_id, subscription.viewer)
            self.counts[subscription.key] = tally
        return tally

    async def _advance(self, tally: Tally, events: list[Stamped]) -> None:
        if tally.follows(events):
            tally.apply(events)
        else:
            tally.take(*await self.store.read(count_groups, tally.viewer))

    def forget(self, keys: Iterable[Key]) -> None:
        """Nobody watches these any more."""
        for key in keys:
            self.counts.pop(key, None)


def hydrate_across_workspaces(rx: Reading, workspace_id: str, wanted: Wanted) -> Hydrated:
    """Rows for drawing, in one query per type; the hub decides per topic who sees them."""
    about, shown = wanted.about, wanted.shown
    return Hydrated(
        rows=conversations.rows_for_drawing_across_workspaces(rx, workspace_id, about) if about else {},
        messages=messages.cards_for_drawing_across_workspaces(rx, workspace_id, shown) if shown else {},
        let_in=conversations.let_in_across_workspaces(rx, workspace_id, about) if wanted.limited and about else {},
        turned=messages.read_between_across_workspaces(rx, workspace_id, wanted.read_threads)
        if wanted.read_threads
        else [],
        spoken=messages.inbound_across_workspaces(rx, workspace_id, wanted.renamed) if wanted.renamed else [],
        slug=seats.slug_across_workspaces(rx, workspace_id),
    )


def _changes(
    events: list[Stamped], rows: Hydrated, view: Any, viewer: Viewer
) -> dict[str, tuple[str, bool, bool, bool]]:
    """By conversation: the last event's name, whether the list held it before, holds it after, held it in between."""
    found: dict[str, tuple[str, bool, bool, bool]] = {}
    nobody: frozenset[str] = frozenset()
    for stamped in events:
        event = stamped.event
        if not isinstance(event, ConversationEvent) or event.after is None or not event.drawn:
            continue
        let_in = rows.let_in.get(event.conversation_id, nobody)
        before = view.holds(event.before, viewer, let_in)
        after = view.holds(event.after, viewer, let_in)
        earlier = found.get(event.conversation_id)
        if earlier is not None:
            before, was_in = earlier[1], earlier[3] or earlier[2]
        else:
            was_in = before
        found[event.conversation_id] = (stamped.type_name, before, after, was_in)
    return found


def _frames(topic: str, seq: int, parts: list[str]) -> bytes:
    """One or more `draw` frames of at most 64 KiB."""
    name = topic if not topic.startswith("view:") else ":".join(topic.split(":")[:2])
    name = "counts" if name.startswith("counts") else name
    out: list[bytes] = []
    waiting: list[str] = []
    size = 0
    for part in parts:
        length = len(part.encode())
        if waiting and size + length > MAX_HTML:
            out.append(_frame(name, seq, waiting))
            waiting, size = [], 0
        waiting.append(part)
        size += length
    out.append(_frame(name, seq, waiting))
    return b"".join(out)


def _frame(name: str, seq: int, parts: list[str]) -> bytes:
    return text_frame(msgspec.json.encode({"t": "draw", "topic": name, "seq": seq, "html": "".join(parts)}))
