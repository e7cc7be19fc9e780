"""The generated pages of docs/: what the code says of itself."""

from __future__ import annotations

from collections.abc import Iterable

from inbox.channels.base import channels
from inbox.domain.access import GRANTS, ROLE_NOTES, Permission
from inbox.domain.events import EVENT_TYPES
from inbox.web.app import ROUTES

MADE = "<!-- Made by `inbox docs`; change the code instead. -->\n\n"


def pages(settings: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """File name to text. `settings` are (name, default, description)."""
    return {
        "events.md": _events(),
        "roles.md": _roles(),
        "routes.md": _routes(),
        "channels.md": _channels(),
        "settings.md": _settings(settings),
    }


def _table(title: str, head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    lines = [f"# {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return MADE + "\n".join(lines) + "\n"


def _events() -> str:
    rows = []
    for name, cls in sorted(EVENT_TYPES.items()):
        fields = ", ".join(f"`{f}`" for f in cls.__struct_fields__ if f not in ("before", "after"))
        said = (cls.__doc__ or "").strip().splitlines()[0]
        rows.append((f"`{name}`", said, "yes" if cls.public else "no", "yes" if cls.drawn else "no", fields))
    return _table("Events", ("event", "what happened", "visitors see it", "drawn on the desk", "fields"), rows)


def _roles() -> str:
    head = ("may", *(role.value for role in GRANTS))
    rows = [(p.value, *("yes" if p in granted else "" for granted in GRANTS.values())) for p in Permission]
    notes = "\n".join(f"- **{role.value}**: {note}" for role, note in ROLE_NOTES.items())
    return _table("Roles", head, rows) + "\n" + notes + "\n"


def _routes() -> str:
    rows = []
    for route in ROUTES:
        methods = ", ".join(sorted((route.methods or set()) - {"HEAD"}))
        said = (route.endpoint.__doc__ or "").strip().splitlines()
        rows.append((f"`{methods}`", f"`{route.path}`", said[0].replace("|", "or") if said else ""))
    return _table("Routes", ("method", "path", "what it does"), rows)


def _channels() -> str:
    rows = []
    for name, channel in sorted(channels().items()):
        able = ", ".join(sorted(c.value for c in channel.capabilities))
        rows.append((f"`{name}`", channel.medium, ", ".join(channel.kinds), able))
    return _table("Channels", ("channel", "medium", "kinds", "can"), rows)


def _settings(settings: Iterable[tuple[str, str, str]]) -> str:
    rows = ((f"`RAPPORT_{name.upper()}`", f"`{default}`" if default else "", said) for name, default, said in settings)
    return _table("Settings", ("variable", "default", "what it is"), rows)
