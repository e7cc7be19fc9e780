"""One's own account: name, password, language, theme, and where one is signed in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from inbox.actions import sign_in
from inbox.domain.errors import BadInput
from inbox.domain.transit import Who
from inbox.store.seats import workspaces_of_user_across_workspaces
from inbox.store.users import password_across_workspaces, sessions_of_user_across_workspaces
from inbox.web.auth import forget_remembered, hash_password, is_password, signed_in
from inbox.web.desk import desk_of
from inbox.web.forms import fields
from inbox.web.security import locale_of, nonce_of
from inbox.web.templates import LOCALES

THEMES = ("", "light", "dark")


async def show(request: Request) -> Response:
    """`/account`."""
    session = await signed_in(request)
    desk = desk_of(request)
    seats = await desk.store.read(workspaces_of_user_across_workspaces, session.user_id)
    html = desk.templates.render(
        "account/show.html",
        locale_of(request),
        nonce=nonce_of(request),
        theme=session.theme,
        csrf=session.csrf,
        session=session,
        sessions=await desk.store.read(sessions_of_user_across_workspaces, session.user_id),
        home=seats[0][0] if seats else None,
        locales=LOCALES,
        saved=request.query_params.get("saved", ""),
    )
    return HTMLResponse(html)


async def profile(request: Request) -> Response:
    """POST /account: name and language."""
    session = await signed_in(request)
    form = await fields(request)
    locale, name = form.text("locale", ""), form.text("name").strip()
    if locale not in ("", *LOCALES) or not 1 <= len(name) <= 100:
        raise BadInput("Choose a name, and one of the languages offered.", field="name")
    await desk_of(request).store.write(sign_in.change_profile, session.user_id, name=name, locale=locale, who=Who(""))
    forget_remembered()
    return RedirectResponse("/account?saved=profile", status_code=303)


async def theme(request: Request) -> Response:
    """POST /account/theme."""
    session = await signed_in(request)
    chosen = (await fields(request)).text("theme")
    if chosen not in THEMES:
        raise BadInput("Choose light, dark, or the system's.", field="theme")
    await desk_of(request).store.write(sign_in.change_profile, session.user_id, theme=chosen, who=Who(""))
    forget_remembered()
    return Response(status_code=204)


async def look(request: Request) -> Response:
    """POST /account/look: the theme, from the form of this page."""
    await theme(request)
    return RedirectResponse("/account?saved=theme", status_code=303)


async def password(request: Request) -> Response:
    """POST /account/password: the old one first; every other session ends."""
    session = await signed_in(request)
    desk = desk_of(request)
    form = await fields(request)
    known = await desk.store.read(password_across_workspaces, session.email)
    if not await is_password(known[1] if known else None, form.text("old")):
        raise BadInput("That is not your password.", field="old")
    hashed = await hash_password(form.text("password"))
    await desk.store.write(sign_in.change_password, session.user_id, hashed, keep=session.session_id, who=Who(""))
    forget_remembered()
    return RedirectResponse("/account?saved=password", status_code=303)


async def end_session(request: Request) -> Response:
    """POST /account/sessions/{id}: sign out there."""
    session = await signed_in(request)
    await desk_of(request).store.write(
        sign_in.end_sessions, session.user_id, only=request.path_params["id"], who=Who("")
    )
    forget_remembered()
    return RedirectResponse("/account?saved=session", status_code=303)


ROUTES = [
    Route("/account", show),
    Route("/account", profile, methods=["POST"]),
    Route("/account/theme", theme, methods=["POST"]),
    Route("/account/look", look, methods=["POST"]),
    Route("/account/password", password, methods=["POST"]),
    Route("/account/sessions/{id}", end_session, methods=["POST"]),
]
