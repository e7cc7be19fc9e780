"""People's words, made safe to keep."""

from __future__ import annotations

import unicodedata

KEEP_CONTROLS = "\n\t"
AROUND = 60  # characters of text shown either side of a match


def clean(text: str) -> str:
    """NFC, without control signs (they break logs, headers and screens) but with line ends and tabs."""
    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    if plain.isprintable():
        return plain
    return "".join(c for c in plain if c in KEEP_CONTROLS or unicodedata.category(c) not in ("Cc", "Cs"))


def marked(text: str, query: str) -> tuple[tuple[str, bool], ...]:
    """The stretch round the first matching word, cut into plain and matching parts."""
    flat = " ".join(text.split())
    words = [w for w in query.split() if w]
    low = flat.casefold()
    at = min((i for w in words if (i := low.find(w.casefold())) >= 0), default=-1)
    if at < 0:
        return ((flat[: 2 * AROUND], False),)
    length = max(len(w) for w in words if low.startswith(w.casefold(), at)) if words else 0
    start = max(0, at - AROUND)
    head = ("…" if start else "") + flat[start:at]
    tail = flat[at + length : at + length + AROUND]
    return ((head, False), (flat[at : at + length], True), (tail, False))
