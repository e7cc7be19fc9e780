"""Structured logs: past-tense names, units in keys, never what people wrote."""

from __future__ import annotations

import logging
from typing import Any

import structlog

NEVER = ("body", "text", "token", "password", "email", "address", "cookie", "secret", "csrf")


def set_up(form: str, level: str) -> None:
    """Send every log line to standard error, as JSON or for a console."""
    chosen = getattr(logging, level.upper())
    last: Any = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    before_last = [structlog.processors.format_exc_info] if form == "json" else []
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _redact,
            *before_last,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(chosen),
        logger_factory=structlog.PrintLoggerFactory(_stderr()),
    )
    logging.basicConfig(level=max(chosen, logging.WARNING))


def _redact(_logger: Any, _method: str, event: Any) -> Any:
    for key in event:
        if key in NEVER:
            event[key] = "…"
    return event


def _stderr() -> Any:
    import sys

    return sys.stderr
