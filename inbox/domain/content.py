"""People's words, made safe to keep."""

from __future__ import annotations

import unicodedata

KEEP_CONTROLS = "\n\t"


def clean(text: str) -> str:
    """NFC, without control signs (they break logs, headers and screens) but with line ends and tabs."""
    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    if plain.isprintable():
        return plain
    return "".join(c for c in plain if c in KEEP_CONTROLS or unicodedata.category(c) not in ("Cc", "Cs"))
