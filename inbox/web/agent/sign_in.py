"""Doors: sign in, sign out, first run, one-time links."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from inbox.actions import people, sign_in
from inbox.domain.access import Role
from inbox.domain.errors import BadInput, Gone, NotFound
from inbox.domain.ids import new_id, token_hash
from inbox.domain.transit import Who
from inbox.store.users import (
    has_users_across_workspaces,
    invite_across_workspaces,
    password_across_workspaces,
    reset_across_workspaces,
)
from inbox.web.auth import (
    begin_session,
    cookie_name,
    forget_remembered,
    hash_password,
    is_password,
    signed_in,
)
from inbox.web.desk import desk_of
from inbox.web.forms import fields
from inbox.web.limits import network_of
from inbox.web.security import check_change, locale_of, nonce_of

_setup_tokens: dict[int, str] = {}


def local_path(path: str) -> str:
    """Where to go after signing in: a path of ours, or the start. Anything a browser could read as another site is the start."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_ours and ":" not in path.split("/")[1] else "/"


async def show(request: Request) -> Response:
    """GET /sign-in."""
    if not await desk_of(request).store.read(has_users_across_workspaces):
        return RedirectResponse("/setup", status_code=303)
    return _page(request, "sign_in", next=local_path(request.query_params.get("next", "/")), error="", email="")


async def enter(request: Request) -> Response:
    """POST /sign-in: the same answer and time for an unknown person as for a wrong password."""
    check_change(request, None, "")
    desk = desk_of(request)
    form = await fields(request)
    email = form.text("email").strip().lower()
    network = network_of(request, desk.options.trusted_proxies)
    desk.limits.check(email, network)
    known = await desk.store.read(password_across_workspaces, email)
    if not await is_password(known[1] if known else None, form.text("password")) or known is None:
        left = desk.limits.failed(email, network)
        error = f"Wrong email or password. {left} more tries, then a pause of a minute."
        return _page(request, "sign_in", 401, next=local_path(form.text("next", "/")), error=error, email=email)
    desk.limits.succeeded(email)
    response = RedirectResponse(local_path(form.text("next", "/")), status_code=303)
    await begin_session(request, response, known[0])
    return response


async def leave(request: Request) -> Response:
    """POST /sign-out: this browser only."""
    session = await signed_in(request)
    desk = desk_of(request)
    await desk.store.write(sign_in.end_sessions, session.user_id, only=session.session_id, who=Who(""))
    forget_remembered()
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(cookie_name(desk.options.secure_cookies), path="/", secure=desk.options.secure_cookies)
    return response


def setup_token(desk: Any) -> str:
    """The first run's token, made once per process; main prints it to the console."""
    return _setup_tokens.setdefault(id(desk.store), secrets.token_urlsafe(18))


async def setup_form(request: Request) -> Response:
    """GET /setup: only while nobody can sign in."""
    await _still_new(request)
    return _page(request, "setup", error="")


async def setup(request: Request) -> Response:
    """POST /setup: the owner and the workspace, by the token from the console."""
    check_change(request, None, "")
    await _still_new(request)
    desk = desk_of(request)
    form = await fields(request)
    if not secrets.compare_digest(form.text("token").strip().encode(), setup_token(desk).encode()):
        return _page(request, "setup", 403, error="That is not the token from the console.")
    hashed = await hash_password(form.text("password"))
    workspace_id = new_id()
    user_id = await desk.store.write(
        people.found_with_owner,
        slug=form.text("slug").strip(),
        workspace_name=form.text("workspace").strip(),
        name=form.text("name").strip(),
        email=form.text("email"),
        password_hash=hashed,
        who=Who(workspace_id),
    )
    _setup_tokens.pop(id(desk.store), None)
    response = RedirectResponse("/", status_code=303)
    await begin_session(request, response, user_id)
    return response


async def invite_form(request: Request) -> Response:
    """GET /invite/{token}."""
    invite = await desk_of(request).store.read(invite_across_workspaces, token_hash(request.path_params["token"]))
    if invite is None:
        raise Gone("This invite was used already or is too old. Ask for a new one.")
    return _page(request, "invite", error="", email=invite.email, invited=invite.name, role=Role(invite.role))


async def accept_invite(request: Request) -> Response:
    """POST /invite/{token}: a name and a password make the seat."""
    check_change(request, None, "")
    desk = desk_of(request)
    form = await fields(request)
    invite = await desk.store.read(invite_across_workspaces, token_hash(request.path_params["token"]))
    if invite is None:
        raise Gone("This invite was used already or is too old. Ask for a new one.")
    known = await desk.store.read(password_across_workspaces, invite.email)
    password = form.text("password")
    if known is not None and not await is_password(known[1], password):
        raise BadInput("You have an account already: use its password.", field="password")
    user_id = await desk.store.write(
        people.accept_invite,
        request.path_params["token"],
        name=form.text("name").strip(),
        password_hash="" if known else await hash_password(password),
        who=Who(invite.workspace_id),
    )
    response = RedirectResponse("/", status_code=303)
    await begin_session(request, response, user_id)
    return response


async def reset_form(request: Request) -> Response:
    """GET /reset/{token}."""
    if await desk_of(request).store.read(reset_across_workspaces, token_hash(request.path_params["token"])) is None:
        raise Gone("This link was used already or is too old. Ask for a new one.")
    return _page(request, "reset", error="")


async def reset(request: Request) -> Response:
    """POST /reset/{token}: a new password; every session of that person ends."""
    check_change(request, None, "")
    form = await fields(request)
    hashed = await hash_password(form.text("password"))
    await desk_of(request).store.write(sign_in.use_reset, request.path_params["token"], hashed, who=Who(""))
    forget_remembered()
    return RedirectResponse("/sign-in", status_code=303)


async def _still_new(request: Request) -> None:
    if await desk_of(request).store.read(has_users_across_workspaces):
        raise NotFound("There is nothing here.")


def _page(request: Request, name: str, status: int = 200, **context: Any) -> Response:
    html = desk_of(request).templates.render(
        f"agent/{name}.html", locale_of(request), nonce=nonce_of(request), theme="", **context
    )
    return HTMLResponse(html, status)
