"""Settings of a workspace: people, teams, inboxes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from inbox.actions import inboxes, people
from inbox.domain.access import Permission, Role, may_grant
from inbox.domain.errors import BadInput
from inbox.store import conversations, log
from inbox.store import people as store_people
from inbox.web.agent.inbox import page_context
from inbox.web.auth import Seat, forget_remembered, seat
from inbox.web.desk import desk_of
from inbox.web.forms import Fields, fields
from inbox.web.security import locale_of

S = "/w/{slug}/settings"


async def show_people(request: Request) -> Response:
    place = await seat(request, Permission.MANAGE_SEATS)
    return await _people(request, place)


async def _people(request: Request, place: Seat, link: str = "", link_for: str = "") -> Response:
    store = desk_of(request).store
    context = {
        "seats": await store.read(store_people.seats, place.viewer),
        "inboxes": await store.read(store_people.inboxes, place.viewer),
        "roles": [r.value for r in Role if may_grant(place.viewer, r)],
        "link": link,
        "link_for": link_for,
    }
    return await _page(request, place, "people", context)


async def invite(request: Request) -> Response:
    """POST …/people: an invite, whose one-time link the page shows once."""
    place = await seat(request, Permission.MANAGE_SEATS)
    form = await fields(request)
    token = await _write(
        request,
        place,
        people.invite,
        email=form.text("email"),
        name=form.text("name", ""),
        role=_role(form),
        inbox_ids=tuple(form.all("inbox")),
    )
    link = f"{desk_of(request).options.app_origin}/invite/{token}"
    return await _people(request, place, link, form.text("email"))


async def change_seat(request: Request) -> Response:
    """POST …/people/{id}."""
    place = await seat(request, Permission.MANAGE_SEATS)
    form = await fields(request)
    chosen = tuple(form.all("inbox"))
    await _write(
        request,
        place,
        people.change_seat,
        request.path_params["id"],
        role=_role(form),
        inbox_ids=chosen or None,
        is_senior=form.flag("senior"),
        is_trainee=form.flag("trainee"),
        is_enabled=form.flag("enabled"),
    )
    return _back(request, "people")


async def offer_reset(request: Request) -> Response:
    """POST …/people/{id}/reset: a one-time link for somebody who forgot their password."""
    place = await seat(request, Permission.MANAGE_SEATS)
    token = await _write(request, place, people.offer_reset_to, request.path_params["id"])
    return await _people(request, place, f"{desk_of(request).options.app_origin}/reset/{token}", "")


async def sign_out(request: Request) -> Response:
    """POST …/people/{id}/sign-out: end every session of that person."""
    place = await seat(request, Permission.MANAGE_SEATS)
    await _write(request, place, people.sign_out_everywhere, request.path_params["id"])
    forget_remembered()
    return _back(request, "people")


async def show_teams(request: Request) -> Response:
    place = await seat(request, Permission.MANAGE_TEAMS)
    store = desk_of(request).store
    context = {
        "teams": await store.read(store_people.teams, place.viewer),
        "seats": await store.read(store_people.seats, place.viewer),
    }
    return await _page(request, place, "teams", context)


async def add_team(request: Request) -> Response:
    place = await seat(request, Permission.MANAGE_TEAMS)
    await _write(request, place, inboxes.add_team, name=(await fields(request)).text("name"))
    return _back(request, "teams")


async def change_team(request: Request) -> Response:
    place = await seat(request, Permission.MANAGE_TEAMS)
    form = await fields(request)
    await _write(
        request,
        place,
        inboxes.change_team,
        request.path_params["id"],
        name=form.text("name"),
        member_ids=tuple(form.all("member")),
    )
    return _back(request, "teams")


async def show_inboxes(request: Request) -> Response:
    place = await seat(request, Permission.MANAGE_INBOXES)
    desk = desk_of(request)
    context = {
        "inboxes": await desk.store.read(store_people.inboxes, place.viewer),
        "loader": f"{desk.options.widget_origin}/widget.js",
    }
    return await _page(request, place, "inboxes", context)


async def add_inbox(request: Request) -> Response:
    place = await seat(request, Permission.MANAGE_INBOXES)
    await _write(request, place, inboxes.add_website, name=(await fields(request)).text("name"))
    return _back(request, "inboxes")


async def change_inbox(request: Request) -> Response:
    place = await seat(request, Permission.MANAGE_INBOXES)
    form = await fields(request)
    await _write(
        request,
        place,
        inboxes.change_website,
        request.path_params["id"],
        inboxes.Website(
            name=form.text("name"),
            accent=form.text("accent"),
            welcome=form.text("welcome", ""),
            sites=form.text("sites", ""),
            target_seconds=form.number("target_seconds"),
            is_enabled=form.flag("enabled"),
        ),
    )
    return _back(request, "inboxes")


async def _page(request: Request, place: Seat, name: str, context: dict[str, Any]) -> Response:
    store = desk_of(request).store
    counts, mine = await store.read(conversations.counts, place.viewer)
    rail = {
        "counts": counts,
        "mine": mine,
        "view": None,
        "seq": await store.read(log.head, place.viewer.workspace_id),
    }
    whole = page_context(request, place) | rail | context | {"section": name}
    return HTMLResponse(desk_of(request).templates.render(f"settings/{name}.html", locale_of(request), **whole))


async def _write(request: Request, place: Seat, action: Any, *args: Any, **kwargs: Any) -> Any:
    return await desk_of(request).store.write(action, place.viewer, *args, who=place.who, **kwargs)


def _back(request: Request, section: str) -> Response:
    return RedirectResponse(f"/w/{request.path_params['slug']}/settings/{section}", status_code=303)


def _role(form: Fields) -> Role:
    try:
        return Role(form.text("role"))
    except ValueError:
        raise BadInput("Choose one of the roles offered.", field="role") from None


ROUTES = [
    Route(f"{S}/people", show_people),
    Route(f"{S}/people", invite, methods=["POST"]),
    Route(f"{S}/people/{{id}}", change_seat, methods=["POST"]),
    Route(f"{S}/people/{{id}}/reset", offer_reset, methods=["POST"]),
    Route(f"{S}/people/{{id}}/sign-out", sign_out, methods=["POST"]),
    Route(f"{S}/teams", show_teams),
    Route(f"{S}/teams", add_team, methods=["POST"]),
    Route(f"{S}/teams/{{id}}", change_team, methods=["POST"]),
    Route(f"{S}/inboxes", show_inboxes),
    Route(f"{S}/inboxes", add_inbox, methods=["POST"]),
    Route(f"{S}/inboxes/{{id}}", change_inbox, methods=["POST"]),
]
