"""What a customer's site loads: the launcher, and the frame that holds the chat."""

from __future__ import annotations

import re

from sqlmodel import col, select
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from inbox.domain.errors import NotFound
from inbox.domain.inbox import Inbox
from inbox.domain.workspace import Workspace
from inbox.store.transaction import Reading
from inbox.web.desk import desk_of
from inbox.web.security import locale_of, nonce_of

LOADER_SECONDS = 300  # a site sees a new loader within five minutes
_COLOUR = re.compile(r"^#[0-9a-fA-F]{6}$")


def door_across_workspaces(rx: Reading, key: str) -> tuple[Inbox, Workspace] | None:
    """The website inbox of a public key, with its workspace."""
    query = (
        select(Inbox, Workspace)
        .join(Workspace, col(Workspace.id) == col(Inbox.workspace_id))
        .where(Inbox.key == key, Inbox.channel == "webchat", col(Inbox.disabled_at).is_(None))
    )
    found = rx.session.exec(query).first()
    if found is None:
        return None
    rx.session.expunge_all()
    return found[0], found[1]


async def loader(request: Request) -> Response:
    """`/widget.js`: the only file on a customer's site."""
    desk = desk_of(request)
    body = (desk.static.root / "widget" / "loader.js").read_bytes()
    headers = {
        "cache-control": f"public, max-age={LOADER_SECONDS}",
        "cross-origin-resource-policy": "cross-origin",
        "access-control-allow-origin": "*",
    }
    return Response(body, headers=headers, media_type="text/javascript")


async def frame(request: Request) -> Response:
    """`/widget/{key}/frame`: the chat itself, framed only by the sites its inbox names."""
    desk = desk_of(request)
    found = await desk.store.read(door_across_workspaces, request.path_params["key"])
    if found is None:
        raise NotFound("There is no such widget.")
    inbox, workspace = found
    sites = [s for s in inbox.allowed_sites if re.fullmatch(r"https?://[\w.:-]+", s)]
    request.state.frame_ancestors = " ".join(sites) if sites else "*"
    accent = str(inbox.config.get("accent", ""))
    html = desk.templates.render(
        "widget/frame.html",
        locale_of(request),
        nonce=nonce_of(request),
        inbox={
            "key": inbox.key,
            "name": inbox.name,
            "brand": inbox.config.get("brand") or workspace.name,
            "accent": accent if _COLOUR.match(accent) else "#3350c8",
            "welcome": inbox.config.get("welcome", ""),
        },
        socket=f"{desk.options.widget_origin.replace('http', 'ws', 1)}/widget/{inbox.key}/live",
        sites=sites,
        epoch=desk.options.epoch(),
        build=desk.options.build,
    )
    return HTMLResponse(html)


ROUTES = [
    Route("/widget.js", loader),
    Route("/widget/{key}/frame", frame),
]
