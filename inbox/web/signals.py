"""Frames that are never stored: typing and who is looking."""

from __future__ import annotations

import msgspec

from inbox.realtime.wire import text_frame


def typing_signal(conversation_id: str, agent_id: str, name: str, paper: str) -> bytes:
    """A colleague's keystroke."""
    return _signal("typing", conversation_id, agent_id, name, paper, on=True)


def visitor_typing_signal(conversation_id: str, name: str) -> bytes:
    """The customer's keystroke: that they type, never what."""
    return _signal("typing", conversation_id, "", name, "customer", on=True)


def viewing_signal(conversation_id: str, agent_id: str, name: str, on: bool) -> bytes:
    """A colleague opened or left this conversation."""
    return _signal("viewing", conversation_id, agent_id, name, "", on=on)


def _signal(kind: str, conversation_id: str, agent_id: str, name: str, paper: str, *, on: bool) -> bytes:
    return text_frame(
        msgspec.json.encode(
            {
                "t": "signal",
                "kind": kind,
                "conversation": conversation_id,
                "agent": agent_id,
                "name": name,
                "paper": paper,
                "on": on,
            }
        )
    )
