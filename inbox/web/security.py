"""What every response carries and every change must prove."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inbox.domain.errors import NotAllowed, TooLarge

MAX_BODY = 1024 * 1024  # bytes; pages send text, files have a route of their own
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Security:
    """Pure ASGI: a nonce for each page, security headers on each answer, origin and size checks on each change."""

    def __init__(self, app: ASGIApp, app_origin: str, widget_origin: str) -> None:
        self.app = app
        self.app_origin = app_origin
        self.origins = {app_origin, widget_origin}
        self.socket_origin = app_origin.replace("http", "ws", 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["nonce"] = nonce = secrets.token_urlsafe(16)
        if scope["method"] not in SAFE_METHODS:
            state["refusal"] = self._refusal(Headers(scope=scope))

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(MutableHeaders(scope=message), nonce, scope)
            await send(message)

        await self.app(scope, _limited(receive, state), dressed)

    def _refusal(self, headers: Headers) -> Exception | None:
        """Why a change may not be made, judged before anything reads it."""
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return TooLarge("That is more than one request may carry.")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return NotAllowed("This change came from another site, so it was not made.")
        origin = headers.get("origin")
        if origin is not None and origin != self.app_origin:
            return NotAllowed("This change came from another site, so it was not made.")
        if origin is None and "sec-fetch-site" not in headers:
            return NotAllowed("This change does not say where it came from, so it was not made.")
        return None

    def _dress(self, headers: MutableHeaders, nonce: str, scope: Scope) -> None:
        framed = scope["state"].get("frame_ancestors", "'none'")
        headers.setdefault(
            "content-security-policy",
            "default-src 'none'; "
            f"script-src 'nonce-{nonce}' 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            f"connect-src 'self' {self.socket_origin}; form-action 'self'; base-uri 'none'; "
            f"frame-src 'self' {' '.join(sorted(self.origins))}; frame-ancestors {framed}",
        )
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("referrer-policy", "same-origin")
        headers.setdefault("permissions-policy", "camera=(), microphone=(), geolocation=()")
        headers.setdefault("cross-origin-opener-policy", "same-origin")
        headers.setdefault("cache-control", "no-store")


def check_change(request: Request, csrf: str | None, given: str) -> None:
    """Raises what the middleware found, or NotAllowed when the form's token is not the session's."""
    refusal = getattr(request.state, "refusal", None)
    if refusal is not None:
        raise refusal
    if csrf is not None and not secrets.compare_digest(csrf.encode(), given.encode()):
        raise NotAllowed("This page is older than your session. Reload it; what you typed is kept.")


def nonce_of(request: Request) -> str:
    return str(getattr(request.state, "nonce", ""))


def locale_of(request: Request) -> str:
    """The language of the person, else the browser's first that we speak."""
    chosen = getattr(request.state, "locale", "")
    if chosen:
        return str(chosen)
    for part in request.headers.get("accept-language", "").split(","):
        tag = part.split(";")[0].strip().lower()[:2]
        if tag in ("en", "de", "ar"):
            return tag
    return "en"


def _limited(receive: Receive, state: dict[str, Any]) -> Receive:
    """Count what really arrives: a body without a length must not be endless."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise TooLarge("That is more than one request may carry.")
        return message

    return counted
