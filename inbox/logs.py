"""Structured logs: past-tense names, units in keys, never what people wrote."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

# Parts of a key whose value is never written.
NEVER = ("body", "text", "token", "password", "email", "address", "cookie", "secret", "csrf", "authorization", "phone")
MAX_VALUE = 500  # characters of one value
MAX_FRAMES = 12

# What must not stand in a log whatever the key: mail addresses, passwords in URLs, long random words (ids, 32 hex, may).
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
_SECRET = re.compile(
    r"(?<![\w-])(?:v1\.[\w.-]{20,}"
    r"|(?![0-9a-f]{32}(?![\w-])|[0-9a-f]{64}(?![\w-]))(?=[\w-]*[\dA-Z])(?=[\w-]*[A-Za-z])[\w-]{32,})"
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Fields = MutableMapping[str, Any]


def set_up(form: str, level: str) -> None:
    """Send every log line, those of libraries too, to standard error: as JSON or for a console."""
    chosen = getattr(logging, level.upper())
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_where,
        redact,
    ]
    last: Any = structlog.processors.JSONRenderer() if form == "json" else console
    structlog.configure(
        processors=[*before, last],
        wrapper_class=structlog.make_filtering_bound_logger(chosen),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    foreign = logging.StreamHandler(sys.stderr)
    foreign.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[_unwrap, last], foreign_pre_chain=before))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # it may have brought handlers of its own
        own = logging.getLogger(name)
        own.handlers, own.propagate = [], True
    logging.basicConfig(level=max(chosen, logging.WARNING), handlers=[foreign], force=True)


def tell_where(_logger: Any, _method: str, event: Fields) -> Fields:
    """Turn an exception into its types and places: its words may be what somebody wrote, and its locals surely are."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        event["exception"] = " < ".join(_kinds(error))
        event["at"] = " > ".join(f"{'/'.join(f.filename.split('/')[-2:])}:{f.lineno} {f.name}" for f in frames)
    return event


def _kinds(error: BaseException) -> list[str]:
    """The type of an error and of what led to it; a database's own code says what its words would."""
    found: list[str] = []
    at: BaseException | None = error
    while at is not None and len(found) < 5:
        code = getattr(at, "sqlstate", None) or getattr(at, "sqlite_errorname", None)
        found.append(f"{type(at).__name__}({code})" if code else type(at).__name__)
        at = at.__cause__ or at.__context__
    return found


def redact(_logger: Any, _method: str, event: Fields) -> Fields:
    """Mask what must not be written, and everything that could end a line or speak to a terminal."""
    for key, value in event.items():
        if any(part in key.lower() for part in NEVER):
            event[key] = "…"
        elif isinstance(value, str):
            event[key] = _safe(value)
        elif not isinstance(value, bool | int | float | None):
            event[key] = _safe(repr(value))
    return event


def _safe(value: str) -> str:
    for pattern, instead in ((_MAIL, "…@…"), (_URL_PASSWORD, r"\1:…@"), (_SECRET, "…")):
        value = pattern.sub(instead, value)
    if len(value) > MAX_VALUE:
        value = value[:MAX_VALUE] + "…"
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), value)


def console(_logger: Any, _method: str, event: Fields) -> str:
    """One line for a person: time, level, what happened, then the rest."""
    head = f"{event.pop('timestamp', '')[11:23]} {event.pop('level', ''):7} {event.pop('event', '')}"
    return " ".join((head, *(f"{key}={value}" for key, value in event.items()))).rstrip()


def _unwrap(_logger: Any, _method: str, event: Fields) -> Fields:
    """A library's line as ours: without the record that structlog carries along."""
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event
