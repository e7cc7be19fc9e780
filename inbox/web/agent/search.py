"""Search over everything this seat may see."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from inbox.domain.access import Permission
from inbox.store import conversations, finding, log
from inbox.web.agent.inbox import page_context
from inbox.web.auth import seat
from inbox.web.desk import desk_of
from inbox.web.security import locale_of

MAX_QUERY = 200


async def show(request: Request) -> Response:
    """`/w/{slug}/search?q=`."""
    place = await seat(request, Permission.SEARCH)
    query = request.query_params.get("q", "")[:MAX_QUERY].strip()
    store = desk_of(request).store
    hits = await store.read(finding.find, place.viewer, query) if query else []
    counts, mine = await store.read(conversations.counts, place.viewer)
    seq = await store.read(log.head, place.viewer.workspace_id)
    context = page_context(request, place) | {
        "query": query,
        "hits": hits,
        "counts": counts,
        "mine": mine,
        "seq": seq,
        "view": None,
    }
    return HTMLResponse(desk_of(request).templates.render("agent/search/show.html", locale_of(request), **context))
