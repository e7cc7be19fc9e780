"""The whole route table on one screen."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from inbox.domain.errors import InboxError
from inbox.web import demo, errors, health
from inbox.web.agent import account, conversations, inbox, search, settings, sign_in
from inbox.web.desk import Desk
from inbox.web.security import Security
from inbox.web.widget import pages

C = "/w/{slug}/conversations/{id}"

ROUTES: list[Route] = [
    Route("/", inbox.home),
    Route("/sign-in", sign_in.show),
    Route("/sign-in", sign_in.enter, methods=["POST"]),
    Route("/sign-out", sign_in.leave, methods=["POST"]),
    Route("/setup", sign_in.setup_form),
    Route("/setup", sign_in.setup, methods=["POST"]),
    Route("/invite/{token}", sign_in.invite_form),
    Route("/invite/{token}", sign_in.accept_invite, methods=["POST"]),
    Route("/reset/{token}", sign_in.reset_form),
    Route("/reset/{token}", sign_in.reset, methods=["POST"]),
    *account.ROUTES,
    Route("/w/{slug}", inbox.index),
    Route("/w/{slug}/inbox/{view}", inbox.show),
    Route("/w/{slug}/inbox/{view}/{id}", inbox.show),
    Route("/w/{slug}/rows/{view}", inbox.more),
    Route("/w/{slug}/search", search.show),
    Route(f"{C}/older", inbox.older),
    Route(f"{C}/messages", conversations.write_message, methods=["POST"]),
    Route(f"{C}/resolution", conversations.resolution, methods=["PUT", "DELETE"]),
    Route(f"{C}/snooze", conversations.snooze, methods=["PUT", "DELETE"]),
    Route(f"{C}/assignment", conversations.assignment, methods=["PUT", "DELETE"]),
    Route(f"{C}/read_mark", conversations.read_mark, methods=["PUT"]),
    *settings.ROUTES,
    *pages.ROUTES,
    *health.ROUTES,
]


def create_app(desk: Desk, **options: Any) -> Starlette:
    """The HTTP side of the product; sockets are served beside it (realtime/wire.py)."""
    routes: list[Any] = [
        *ROUTES,
        *(demo.ROUTES if desk.options.is_demo else []),
        Mount("/static", desk.static),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Security, app_origin=desk.options.app_origin, widget_origin=desk.options.widget_origin)],
        exception_handlers={
            InboxError: errors.refused,
            HTTPException: errors.http_error,
            Exception: errors.failed,
        },
        **options,
    )
    app.state.desk = desk
    return app
