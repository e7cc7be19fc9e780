"""Form fields as plain values, each refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request

from inbox.domain.errors import BadInput

MAX_FIELD = 100_000  # characters of one field; the actions say how long a given text may be


class Fields:
    """The text fields of one form."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self.values = values

    def text(self, name: str, default: str | None = None) -> str:
        """Raises: BadInput when it is missing (without a default) or far too long."""
        found = self.values.get(name)
        if not found:
            if default is None:
                raise BadInput("Something is missing in this form.", field=name)
            return default
        if len(found[-1]) > MAX_FIELD:
            raise BadInput("That is far too long.", field=name)
        return found[-1]

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def flag(self, name: str) -> bool:
        return self.text(name, "") in ("1", "on", "true", "yes")

    def number(self, name: str) -> int:
        text = self.text(name)
        if not text.isdecimal() or len(text) > 9:
            raise BadInput("Give a number.", field=name)
        return int(text)

    def moment(self, name: str) -> datetime:
        """An ISO time with a zone. Raises: BadInput."""
        try:
            found = datetime.fromisoformat(self.text(name).replace("Z", "+00:00"))
        except ValueError:
            raise BadInput("Give a time like 2026-01-31T09:00:00Z.", field=name) from None
        if found.tzinfo is None:
            raise BadInput("Give the time with its zone.", field=name)
        return found.astimezone(UTC)


async def fields(request: Request) -> Fields:
    """The form of this request; files are not taken here."""
    form = await request.form()
    values: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            values.setdefault(name, []).append(value)
    return Fields(values)
