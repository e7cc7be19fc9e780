"""What the desk does to a conversation: one route per state, PUT to enter it and DELETE to leave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from inbox.actions import handling, messaging, reading
from inbox.domain.errors import BadInput
from inbox.web.auth import Seat, seat
from inbox.web.desk import desk_of
from inbox.web.forms import Fields, fields


async def write_message(request: Request) -> Response:
    """POST …/messages: a reply or a note."""
    place = await seat(request)
    form = await fields(request)
    written = await _do(
        request,
        place,
        messaging.write,
        paper=form.text("paper"),
        client_id=form.text("client_id"),
        body=form.text("body"),
    )
    return _json({"message_id": written.message_id}, 201 if written.is_new else 200)


async def resolution(request: Request) -> Response:
    """PUT resolves, DELETE reopens."""
    place = await seat(request)
    if request.method == "PUT":
        form = await fields(request)
        await _do(request, place, handling.resolve, outcome=form.text("outcome", ""))
    else:
        await _do(request, place, handling.reopen)
    return Response(status_code=204)


async def snooze(request: Request) -> Response:
    """PUT puts away until a time, DELETE brings back."""
    place = await seat(request)
    if request.method == "PUT":
        form = await fields(request)
        await _do(request, place, handling.snooze, form.moment("until"))
    else:
        await _do(request, place, handling.wake)
    return Response(status_code=204)


async def assignment(request: Request) -> Response:
    """PUT gives it to a seat (or `me`), DELETE to nobody."""
    place = await seat(request)
    form = await fields(request) if request.method == "PUT" else Fields({})
    expect = form.values["expect"][-1] if "expect" in form.values else None
    agent_id = None
    if request.method == "PUT":
        asked = form.text("agent_id")
        agent_id = place.viewer.agent_id if asked == "me" else asked
    await _do(request, place, handling.assign, agent_id, expect=expect)
    return Response(status_code=204)


async def read_mark(request: Request) -> Response:
    """PUT: this seat has seen so many messages of it."""
    place = await seat(request)
    form = await fields(request)
    await _do(request, place, reading.mark_read, form.number("inbound"))
    return Response(status_code=204)


async def _do(request: Request, place: Seat, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    conversation_id = request.path_params["id"]
    if len(conversation_id) != 32:
        raise BadInput("That is no conversation.", field="id")
    return await desk_of(request).store.write(
        action,
        place.viewer,
        conversation_id,
        *args,
        who=place.who,
        keys=handling.key_of(conversation_id),
        **kwargs,
    )


def _json(value: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
