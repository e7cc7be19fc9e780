"""Importing this module names every table, for migrations and checks."""

from __future__ import annotations

from sqlmodel import SQLModel

from inbox.domain import (
    agent,
    audit,
    contact,
    conversation,
    delivery,
    events,
    inbox,
    job,
    message,
    search,
    threading,
    user,
    workspace,
)

MODULES = (
    agent,
    audit,
    contact,
    conversation,
    delivery,
    events,
    inbox,
    job,
    message,
    search,
    threading,
    user,
    workspace,
)
METADATA = SQLModel.metadata
