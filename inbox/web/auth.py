"""Who is asking: the session of a request, their seat in a workspace, and how passwords are checked."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from starlette.requests import Request
from starlette.responses import Response

from inbox.actions import sign_in
from inbox.domain.access import Permission, Viewer, may
from inbox.domain.agent import Agent
from inbox.domain.clock import monotonic
from inbox.domain.errors import BadInput, NotAllowed, NotSignedIn
from inbox.domain.ids import new_token, token_hash
from inbox.domain.transit import Lane, Who
from inbox.domain.workspace import Workspace
from inbox.store.seats import viewer_of_user_across_workspaces
from inbox.store.store import Store
from inbox.store.users import SignedIn, session_across_workspaces
from inbox.web.desk import desk_of
from inbox.web.limits import network_of
from inbox.web.security import check_change

HASHERS = 2  # a hash takes 64 MiB and a third of a second: more at once would starve the desk
REMEMBER_SECONDS = 1.0  # a revoked session is felt within this
SEEN_EVERY = timedelta(minutes=1)
MIN_PASSWORD, MAX_PASSWORD = 10, 200
_HASHER = PasswordHasher()
_POOL = ThreadPoolExecutor(HASHERS, thread_name_prefix="argon2")
_NOBODY = _HASHER.hash("nobody has this password")


class Seat(msgspec.Struct, frozen=True):
    """A signed-in person at their desk in one workspace."""

    viewer: Viewer
    agent: Agent
    workspace: Workspace
    session: SignedIn
    network: str

    @property
    def who(self) -> Who:
        return Who(self.viewer.workspace_id, "agent", self.viewer.agent_id, self.network)


_remembered: dict[tuple[int, str], tuple[float, SignedIn | None]] = {}


def cookie_name(secure: bool) -> str:
    """`__Host-` binds the cookie to this host and to https; on plain http browsers refuse such a name."""
    return "__Host-rapport" if secure else "rapport"


async def session_of_cookie(store: Store, cookie: str, secure: bool) -> SignedIn | None:
    """The living session a Cookie header names."""
    try:
        morsel = SimpleCookie(cookie).get(cookie_name(secure))
    except CookieError:
        return None
    if morsel is None or not morsel.value:
        return None
    name = token_hash(morsel.value)
    known = _remembered.get((id(store), name))
    if known is not None and monotonic() - known[0] < REMEMBER_SECONDS:
        return known[1]
    found = await store.read(session_across_workspaces, name)
    if found is not None and store.clock() - found.seen_at > timedelta(hours=sign_in.SESSION_IDLE_HOURS):
        found = None
    if len(_remembered) > 5000:
        _remembered.clear()
    _remembered[id(store), name] = (monotonic(), found)
    if found is not None and store.clock() - found.seen_at > SEEN_EVERY:
        store.submit(sign_in.see_session, found.session_id, who=Who(""), lane=Lane.BACKGROUND)
    return found


def forget_remembered() -> None:
    """Sessions changed here: ask the database again."""
    _remembered.clear()


async def signed_in(request: Request) -> SignedIn:
    """Raises: NotSignedIn; on a change also NotAllowed without the session's CSRF token."""
    desk = desk_of(request)
    cookie = request.headers.get("cookie", "")
    found = await session_of_cookie(desk.store, cookie, desk.options.secure_cookies)
    if found is None:
        raise NotSignedIn("Your session ended. Sign in again; what you typed is kept.")
    request.state.locale = found.locale
    if request.method not in ("GET", "HEAD"):
        given = request.headers.get("x-csrf-token") or str((await request.form()).get("csrf", ""))
        check_change(request, found.csrf, given)
    return found


async def seat(request: Request, permission: Permission = Permission.READ) -> Seat:
    """The asker's seat in the workspace of the URL. Raises: NotSignedIn, NotFound, NotAllowed."""
    desk = desk_of(request)
    session = await signed_in(request)
    viewer, agent, workspace = await desk.store.read(
        viewer_of_user_across_workspaces, request.path_params["slug"], session.user_id, session.session_id
    )
    if not may(viewer, permission):
        raise NotAllowed("Your seat may not do that. Ask an admin of your workspace.")
    return Seat(viewer, agent, workspace, session, network_of(request, desk.options.trusted_proxies))


async def hash_password(password: str) -> str:
    """Raises: BadInput for one too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise BadInput(f"Choose a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters.", field="password")
    return await asyncio.get_running_loop().run_in_executor(_POOL, _HASHER.hash, password)


async def is_password(stored: str | None, given: str) -> bool:
    """Takes as long for an unknown person as for a known one."""

    def check() -> bool:
        try:
            _HASHER.verify(stored or _NOBODY, given[:MAX_PASSWORD])
            return bool(stored)
        except (VerificationError, InvalidHashError):
            return False

    return await asyncio.get_running_loop().run_in_executor(_POOL, check)


async def begin_session(request: Request, response: Response, user_id: str) -> None:
    """Open a new session for this user and hand its cookie to the browser."""
    desk = desk_of(request)
    token = new_token() + new_token()
    await desk.store.write(
        sign_in.open_session,
        user_id,
        token=token,
        csrf=new_token(),
        user_agent=request.headers.get("user-agent", ""),
        network=network_of(request, desk.options.trusted_proxies),
        who=Who(""),
    )
    secure = desk.options.secure_cookies
    response.set_cookie(
        cookie_name(secure),
        token,
        max_age=sign_in.SESSION_DAYS * 86_400,
        httponly=True,
        secure=secure,
        samesite="lax",
        path="/",
    )
