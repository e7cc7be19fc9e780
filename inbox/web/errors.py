"""Error to response: one page, one fragment, one JSON form for everything that is refused or fails."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from inbox.domain.errors import InboxError, NotSignedIn
from inbox.web.desk import desk_of
from inbox.web.security import locale_of, nonce_of

logger = structlog.get_logger()
WORDS = {
    401: "Sign in first.",
    403: "That is not yours to do.",
    404: "There is nothing here, or it is not yours to see.",
    405: "That cannot be done here.",
    413: "That is too large.",
}


async def refused(request: Request, error: Exception) -> Response:
    """An InboxError, with its status, code and way out."""
    assert isinstance(error, InboxError)
    if isinstance(error, NotSignedIn) and wants_page(request) and request.method == "GET":
        return RedirectResponse(f"/sign-in?next={request.url.path}", status_code=303)
    headers = {"retry-after": str(max(1, round(error.retry_after)))} if error.retry_after else {}
    return _respond(request, error.status, error.code, error.message, headers, error.facts)


async def http_error(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    message = WORDS.get(error.status_code, str(error.detail))
    return _respond(request, error.status_code, f"http_{error.status_code}", message, dict(error.headers or {}), {})


async def failed(request: Request, error: Exception) -> Response:
    """Something nobody foresaw: a code to find it in the log, and nothing of what went wrong."""
    code = f"{secrets.token_hex(2)}-{secrets.token_hex(1)}".upper()
    logger.error("request_failed", code=code, route=request.scope.get("path", ""), exc_info=error)
    message = f"This page could not be drawn. What was saved is safe. Code {code}."
    return _respond(request, 500, "internal", message, {}, {})


def wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers


def _respond(
    request: Request, status: int, code: str, message: str, headers: dict[str, str], facts: dict[str, Any]
) -> Response:
    if not wants_page(request):
        body = msgspec.json.encode({"code": code, "message": message, **facts})
        return Response(body, status, {**headers, "content-type": "application/json"})
    page = desk_of(request).templates.render(
        "errors/error.html",
        locale_of(request),
        status=status,
        message=message,
        nonce=nonce_of(request),
        theme="",
    )
    return HTMLResponse(page, status, headers)
