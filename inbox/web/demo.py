"""Demo mode only: the page to begin with, one-click sign-in, and a shop that carries the widget."""

from __future__ import annotations

import msgspec
from sqlmodel import col, select
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from inbox.domain.agent import Agent
from inbox.domain.cards import face
from inbox.domain.errors import NotFound
from inbox.domain.ids import is_id
from inbox.domain.inbox import Inbox
from inbox.domain.workspace import Workspace
from inbox.store.transaction import Reading
from inbox.web.auth import begin_session
from inbox.web.desk import desk_of
from inbox.web.forms import fields
from inbox.web.security import check_change, locale_of, nonce_of

CARDS = ("agent", "manager", "marketer")


def _cast_across_workspaces(rx: Reading) -> tuple[Workspace, list[Agent], Inbox] | None:
    """The demo workspace, one seat per card, and its website inbox."""
    workspace = rx.session.exec(select(Workspace).where(col(Workspace.is_demo).is_(True))).first()
    if workspace is None:
        return None
    people = select(Agent).where(Agent.workspace_id == workspace.id, col(Agent.is_robot).is_(False)).order_by(Agent.id)
    agents = list(rx.session.exec(people))
    first = [next(a for a in agents if a.role == role) for role in CARDS if any(a.role == role for a in agents)]
    inbox = rx.session.exec(select(Inbox).where(Inbox.workspace_id == workspace.id, Inbox.channel == "webchat")).first()
    assert inbox is not None
    rx.session.expunge_all()
    return workspace, first, inbox


async def start(request: Request) -> Response:
    """`/demo`: everything there is to open."""
    cast = await _cast(request)
    desk = desk_of(request)
    html = desk.templates.render(
        "demo/start.html",
        locale_of(request),
        nonce=nonce_of(request),
        theme="",
        workspace=cast[0],
        seats=[(face(a.id, a.name), a.role) for a in cast[1]],
        shop=f"{desk.options.demo_shop_origin}/shop",
    )
    return HTMLResponse(html)


async def sign_in(request: Request) -> Response:
    """POST /demo/sign-in: take one of the seats, a robot's included."""
    check_change(request, None, "")
    cast = await _cast(request)
    form = await fields(request)
    agent_id = form.text("agent")
    if not is_id(agent_id):
        raise NotFound("There is no such seat.")
    user_id = await desk_of(request).store.read(_user_across_workspaces, cast[0].id, agent_id)
    response = RedirectResponse(f"/w/{cast[0].slug}/inbox/open", status_code=303)
    await begin_session(request, response, user_id)
    return response


async def shop(request: Request) -> Response:
    """`/shop`: a made-up shop on another site than the desk."""
    cast = await _cast(request)
    desk = desk_of(request)
    html = desk.templates.render(
        "demo/shop.html",
        "en",
        nonce=nonce_of(request),
        key=cast[2].key,
        accent=cast[2].config.get("accent", "#21783b"),
        loader=f"{desk.options.widget_origin}/widget.js",
        widget_origin=desk.options.widget_origin,
    )
    policy = (
        f"default-src 'none'; script-src {desk.options.widget_origin}; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; frame-src {desk.options.widget_origin}; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(html, headers={"content-security-policy": policy})


async def robots(request: Request) -> Response:
    """`/demo/robots`: the seats the town's robots take, and how many people's pages are open beside theirs."""
    cast = await _cast(request)
    desk = desk_of(request)
    found = await desk.store.read(_robots_across_workspaces, cast[0].id)
    robot_ids = {r["id"] for r in found}
    pump = desk.hub.pumps.get(cast[0].id)
    watching = sum(1 for w in pump.watchers if w.wants_head and _seat_of(w) not in robot_ids) if pump else 0
    body = msgspec.json.encode(found)
    return Response(body, media_type="application/json", headers={"x-people-watching": str(watching)})


def _seat_of(watcher: object) -> str:
    viewer = getattr(watcher, "viewer", None)
    return viewer.agent_id if viewer is not None else ""


def _robots_across_workspaces(rx: Reading, workspace_id: str) -> list[dict[str, str]]:
    query = select(Agent).where(Agent.workspace_id == workspace_id, col(Agent.is_robot).is_(True))
    return [{"id": a.id, "name": a.name} for a in rx.session.exec(query)]


async def _cast(request: Request) -> tuple[Workspace, list[Agent], Inbox]:
    desk = desk_of(request)
    found = await desk.store.read(_cast_across_workspaces) if desk.options.is_demo else None
    if found is None:
        raise NotFound("There is no demo here.")
    return found


def _user_across_workspaces(rx: Reading, workspace_id: str, agent_id: str) -> str:
    agent = rx.session.get(Agent, (workspace_id, agent_id))
    if agent is None:
        raise NotFound("There is no such seat.")
    return agent.user_id


ROUTES = [
    Route("/demo", start),
    Route("/demo/robots", robots),
    Route("/demo/sign-in", sign_in, methods=["POST"]),
    Route("/shop", shop),
]
