"""Every pair of colours that carries meaning is told apart, in light and in dark (WCAG 2, from the tokens themselves)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parent.parent.parent / "static" / "css" / "tokens.css"
TEXT, CONTROL = 4.5, 3.0
GROUNDS = ("surface", "surface-2", "paper", "raised")
HUES = (20, 40, 70, 90, 110, 157, 190, 220, 250, 280, 310, 340)
CHANNELS = ("chat", "email", "messenger", "instagram", "whatsapp", "x", "telegram", "facebook", "google", "yelp")

PAIRS = [
    *(
        (ink, ground, TEXT)
        for ink in ("ink", "ink-2", "ink-3")
        for ground in (*GROUNDS, "sunken", "hover", "iris-wash")
    ),
    *((meaning, ground, TEXT) for meaning in ("iris", "good", "warn", "bad", "open") for ground in GROUNDS),
    *((meaning, f"{meaning}-wash", TEXT) for meaning in ("iris", "good", "warn", "bad", "open")),
    *((ink, "note", TEXT) for ink in ("ink", "ink-3", "iris", "note-ink")),
    ("note-ink", "note-line", CONTROL),  # the lock on the chosen paper; its word is ink
    ("ink", "note-line", TEXT),
    ("ink", "iris-wash-2", TEXT),
    ("iris", "iris-wash-2", TEXT),
    ("iris", "sunken", TEXT),
    ("iris", "warn-wash", TEXT),
    ("ink", "warn-wash", TEXT),
    ("ink", "bad-wash", TEXT),
    ("bad", "iris-wash", TEXT),
    ("warn", "iris-wash", TEXT),
    ("bad", "hover", TEXT),
    ("warn", "hover", TEXT),
    ("ink", "mark", TEXT),
    ("surface", "ink", TEXT),
    *(("on-iris", fill, TEXT) for fill in ("iris-fill", "iris-fill-hi", "bad-fill")),
    *(("line-control", ground, CONTROL) for ground in GROUNDS),
    *(("on-iris", f"ch-{name}", TEXT) for name in (*CHANNELS, "phone", "sms")),
]


def tokens() -> dict[str, tuple[str, str]]:
    """Each colour's (light, dark) as what stands inside oklch()."""
    css = TOKENS.read_text()
    found = {
        name: (light, dark)
        for name, light, dark in re.findall(
            r"--([\w-]+):\s*light-dark\(\s*oklch\(([^)]*)\)\s*,\s*oklch\(([^)]*)\)\s*\)", css
        )
    }
    for name, both in re.findall(r"--([\w-]+):\s*oklch\(([^)/]*)\)\s*;", css):
        found.setdefault(name, (both, both))
    return found


def luminance(colour: str) -> float:
    """Relative luminance of the 8-bit sRGB colour a screen shows."""
    lightness, chroma, hue = (float(part) for part in colour.split()[:3])
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    red, green, blue = (_seen(_shown(part)) for part in linear)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _shown(linear: float) -> int:
    kept = min(max(linear, 0.0), 1.0)
    return round(255 * (12.92 * kept if kept <= 0.0031308 else 1.055 * kept ** (1 / 2.4) - 0.055))


def _seen(byte: int) -> float:
    part = byte / 255
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def ratio(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_the_known_one() -> None:
    assert ratio("1 0 0", "0 0 0") == pytest.approx(21.0, abs=0.01)
    ink, surface = tokens()["ink"], tokens()["surface"]
    assert [round(ratio(i, s), 2) for i, s in zip(ink, surface, strict=True)] == [16.55, 15.35]


@pytest.mark.parametrize(("colour", "ground", "least"), PAIRS, ids=lambda value: str(value))
def test_a_pair_can_be_told_apart(colour: str, ground: str, least: float) -> None:
    known = tokens()
    light, dark = (ratio(known[colour][i], known[ground][i]) for i in (0, 1))
    assert min(light, dark) >= least, f"{light:.2f} light, {dark:.2f} dark"


@pytest.mark.parametrize("hue", HUES)
def test_initials_stand_out_from_their_face(hue: int) -> None:
    assert ratio(f"0.40 0.085 {hue}", f"0.915 0.035 {hue}") >= TEXT
    assert ratio(f"0.90 0.045 {hue}", f"0.37 0.045 {hue}") >= TEXT


def test_no_component_has_a_colour_of_its_own() -> None:
    # Washes for a backdrop, a toast and a face come from a hue or stand over anything: they are the named few.
    named = {"face.css", "toast.css", "rail.css", "menu.css", "panel.css", "tokens.css"}
    for sheet in TOKENS.parent.glob("*.css"):
        found = re.findall(r"#[0-9a-f]{3,8}\b|oklch\((?!1 0 0\))[^)]*\)|rgba?\(", sheet.read_text())
        assert not found or sheet.name in named, f"{sheet.name}: {found}"
