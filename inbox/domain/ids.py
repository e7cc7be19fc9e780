"""The only place that makes ids and secrets."""

from __future__ import annotations

import hashlib
import secrets

import uuid_utils

ID_LENGTH = 32


def new_id() -> str:
    """A UUIDv7 as 32 hex digits: sorts by time, may stand in URLs, is never a secret."""
    return uuid_utils.uuid7().hex


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id (it may still name nothing)."""
    return len(text) == ID_LENGTH and all(c in "0123456789abcdef" for c in text)


def new_token() -> str:
    """A secret that grants access: 192 random bits in 32 URL-safe characters."""
    return secrets.token_urlsafe(24)


def token_hash(token: str) -> str:
    """What is stored of a token, so that a stolen database opens no door (32 bytes as hex)."""
    return hashlib.sha256(token.encode()).hexdigest()


def jitter(upper: float) -> float:
    """A random share of `upper` seconds: full jitter keeps a herd of clients apart."""
    return secrets.randbelow(1_000_000) / 1_000_000 * upper


def person_hue(person_id: str) -> int:
    """Which of the twelve avatar colours (0..11) belongs to this id, the same everywhere."""
    return hashlib.blake2s(person_id.encode(), digest_size=1).digest()[0] % 12


def initials(name: str) -> str:
    """One or two characters for an avatar; a script without spaces gives its first sign."""
    words = [w for w in name.replace("·", " ").split() if w[0].isalnum()]
    if not words:
        return "?"
    if len(words) == 1 or not words[0][0].isascii():
        return words[0][:2].upper() if words[0].isascii() else words[0][0]
    return (words[0][0] + words[-1][0]).upper()
