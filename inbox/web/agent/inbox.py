"""The desk: a list, an open conversation, older messages."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from inbox.domain.access import Viewer, permissions
from inbox.domain.cards import CountsCard, ListCard, MessageCard, PersonCard, ThreadCard, face
from inbox.domain.errors import NotFound
from inbox.domain.views import Filter, Name, View
from inbox.store import conversations, log, messages, seats
from inbox.store.transaction import Reading
from inbox.web.auth import Seat, seat, signed_in
from inbox.web.desk import desk_of
from inbox.web.security import locale_of, nonce_of


class Page(msgspec.Struct, frozen=True):
    """All that the desk shows, in one snapshot at `seq`."""

    seq: int
    shown: ListCard
    thread: ThreadCard | None
    counts: CountsCard
    mine: int
    marks: dict[str, int]
    agents: list[PersonCard]


def view_of(request: Request) -> View:
    """The list of this URL. Raises: NotFound."""
    try:
        name = Name(request.path_params["view"])
        return View(name, Filter(request.query_params.get("filter", Filter.ALL)))
    except ValueError:
        raise NotFound("There is no such list.") from None


def load(rx: Reading, viewer: Viewer, view: View, conversation_id: str | None) -> Page:
    """Everything of one desk, as it stands in one moment."""
    found = conversations.page(rx, viewer, view)
    thread = messages.thread(rx, viewer, conversation_id) if conversation_id else None
    counts, mine = conversations.counts(rx, viewer)
    ids = [r.id for r in found.rows] + ([conversation_id] if conversation_id else [])
    return Page(
        seq=log.head(rx, viewer.workspace_id),
        shown=found,
        thread=thread,
        counts=counts,
        mine=mine,
        marks=conversations.marks(rx, viewer, ids),
        agents=seats.faces(rx, viewer),
    )


def page_context(request: Request, place: Seat) -> dict[str, Any]:
    """What every page of the desk is drawn with."""
    options = desk_of(request).options
    return {
        "workspace": place.workspace,
        "seat": face(place.agent.id, place.agent.name),
        "role": place.viewer.role.value,
        "may": permissions(place.viewer),
        "csrf": place.session.csrf,
        "nonce": nonce_of(request),
        "theme": place.session.theme,
        "epoch": options.epoch(),
        "build": options.build,
        "is_demo": options.is_demo,
    }


async def index(request: Request) -> Response:
    """`/w/{slug}`: the list most people start with."""
    await seat(request)
    return RedirectResponse(f"/w/{request.path_params['slug']}/inbox/open", status_code=303)


async def show(request: Request) -> Response:
    """`/w/{slug}/inbox/{view}[/{id}]`: the whole desk, or only the pane htmx asks for."""
    place = await seat(request)
    view = view_of(request)
    conversation_id = request.path_params.get("id")
    page = await desk_of(request).store.read(load, place.viewer, view, conversation_id)
    target = request.headers.get("hx-target", "").rpartition("#")[2]
    pane = {"thread-pane": "thread", "list-pane": "list"}.get(target, "show")
    context = page_context(request, place) | msgspec.structs.asdict(page) | {"view": view}
    html = desk_of(request).templates.render(f"agent/inbox/{pane}.html", locale_of(request), **context)
    return HTMLResponse(html, headers={"vary": "HX-Request, HX-Target"})


async def more(request: Request) -> Response:
    """`/w/{slug}/rows/{view}?after=`: the next rows of a list."""
    place = await seat(request)
    view = view_of(request)
    after = request.query_params.get("after", "")
    store = desk_of(request).store
    found = await store.read(conversations.page, place.viewer, view, after)
    marks = await store.read(conversations.marks, place.viewer, [r.id for r in found.rows])
    html = desk_of(request).templates.render(
        "agent/inbox/rows.html",
        locale_of(request),
        shown=found,
        view=view,
        marks=marks,
        workspace=place.workspace,
    )
    return HTMLResponse(html)


async def older(request: Request) -> Response:
    """`/w/{slug}/conversations/{id}/older?before=`: messages before the first one shown."""
    place = await seat(request)
    before = request.query_params.get("before", "")
    cards, key = await desk_of(request).store.read(_older, place.viewer, request.path_params["id"], before)
    html = desk_of(request).templates.render(
        "agent/inbox/older.html",
        locale_of(request),
        messages=cards,
        older=key,
        conversation_id=request.path_params["id"],
        workspace=place.workspace,
    )
    return HTMLResponse(html)


async def home(request: Request) -> Response:
    """`/`: the workspace of whoever is signed in."""
    session = await signed_in(request)
    found = await desk_of(request).store.read(seats.workspaces_of_user_across_workspaces, session.user_id)
    if not found:
        raise NotFound("You have no seat in any workspace. Ask an admin for an invite.")
    return RedirectResponse(f"/w/{found[0][0].slug}/inbox/open", status_code=303)


def _older(rx: Reading, viewer: Viewer, conversation_id: str, before: str) -> tuple[tuple[MessageCard, ...], str]:
    return messages.feed(rx, viewer, conversation_id, before)
