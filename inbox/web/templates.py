"""Templates: one environment, one language per drawing, and the only place that marks HTML as safe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, meta, nodes
from markupsafe import Markup, escape

LOCALES = ("en", "de", "ar")
RIGHT_TO_LEFT = ("ar",)
MIRRORED = ("chevron-left", "chevron-right", "log-out", "panel-right", "external-link")  # they point along the line
LINE_GLYPHS = {"webchat": "message-circle", "email": "mail", "phone": "phone", "sms": "message-square-text"}
_LINK = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:!?)\]}]")
_SHAPES = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


class Templates:
    """Draws pages and fragments. `static` turns a file's name into its hashed URL."""

    def __init__(self, folder: Path, vendor: Path, static: Callable[[str], str]) -> None:
        self.vendor = vendor
        self.words = {locale: catalogue(folder, locale) for locale in LOCALES}
        self.environments = {locale: self._environment(folder, locale, static) for locale in LOCALES}

    def _environment(self, folder: Path, locale: str, static: Callable[[str], str]) -> Environment:
        made = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        words = self.words[locale]

        def translate(text: str, **values: str) -> str:
            found = words.get(text, text)
            return found.format(**values) if values else found

        made.globals |= {
            "_": translate,
            "static": static,
            "icon": self.icon,
            "glyph": self.glyph,
            "lang": locale,
            "direction": "rtl" if locale in RIGHT_TO_LEFT else "ltr",
        }
        made.filters |= {"linked": linked, "json": as_json, "language": lambda code: language(code, locale)}
        return made

    def render(self, name: str, locale: str, **context: Any) -> str:
        return self._for(locale).get_template(name).render(context)

    def render_block(self, name: str, block: str, locale: str, **context: Any) -> str:
        """One block of a template alone: what a live fragment is."""
        template = self._holder(locale, name, block)
        made = template.new_context(context)
        return "".join(template.blocks[block](made))

    @cache  # noqa: B019 - one Templates lives as long as the process
    def _holder(self, locale: str, name: str, block: str) -> Template:
        """The template that defines the block: this one, or the one it extends."""
        environment = self._for(locale)
        template = environment.get_template(name)
        while block not in template.blocks:
            source, _, _ = environment.loader.get_source(environment, name)  # type: ignore[union-attr]
            name = str(next(iter(meta.find_referenced_templates(environment.parse(source)))))
            template = environment.get_template(name)
        return template

    def _for(self, locale: str) -> Environment:
        return self.environments.get(locale) or self.environments["en"]

    @cache  # noqa: B019 - one Templates lives as long as the process
    def icon(self, name: str, size: int = 16, stroke: float = 1.75) -> Markup:
        """A line icon, inline, for eyes only."""
        shapes = _SHAPES.search((self.vendor / "lucide" / f"{name}.svg").read_text())
        assert shapes is not None
        kind = "i mirrored" if name in MIRRORED else "i"
        return Markup(
            f'<svg class="{kind}" width="{size}" height="{size}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
            f'stroke-width="{stroke}" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
            f"{' '.join(shapes[1].split())}</svg>"
        )

    @cache  # noqa: B019 - one Templates lives as long as the process
    def glyph(self, medium: str, size: int = 10) -> Markup:
        """The mark of a channel; two letters for those without a drawn one."""
        if medium in LINE_GLYPHS:
            return self.icon(LINE_GLYPHS[medium], size, 2.2)
        path = self.vendor / "simple-icons" / f"{medium}.svg"
        shapes = _SHAPES.search(path.read_text()) if path.exists() else None
        if shapes is None:
            return Markup('<b aria-hidden="true">{}</b>').format(medium[:2].title())
        drawn = re.sub(r"<title>.*?</title>", "", shapes[1])
        return Markup(
            f'<svg class="i" width="{size}" height="{size}" viewBox="0 0 24 24" fill="currentColor" '
            f'aria-hidden="true">{drawn}</svg>'
        )


def linked(text: str) -> Markup:
    """People's words with http links made clickable; everything else stays text."""
    parts: list[Markup] = []
    last = 0
    for match in _LINK.finditer(text):
        parts.append(escape(text[last : match.start()]))
        url = match[0]
        parts.append(Markup('<a href="{0}" rel="noopener noreferrer nofollow" target="_blank">{0}</a>').format(url))
        last = match.end()
    parts.append(escape(text[last:]))
    return Markup("").join(parts)


def as_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    return Markup(json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def language(code: str, locale: str) -> str:
    """A language by its name in another one; the code itself where nobody knows it."""
    try:
        return Locale.parse(code, sep="-").get_display_name(locale) or code
    except (UnknownLocaleError, ValueError):
        return code


def catalogue(folder: Path, locale: str) -> dict[str, str]:
    """The translated words of one language; English is the key."""
    path = folder / "locales" / f"{locale}.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file) if m.id and m.string and not m.fuzzy}


def words_to_translate(folder: Path) -> dict[str, str]:
    """Every text that templates hand to `_()`, and a template that does. Raises: TypeError for one put together at run time."""
    parser = Environment(autoescape=True)
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        for call in parser.parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "_":
                text = call.args[0]
                if not isinstance(text, nodes.Const):
                    raise TypeError(f"{name}:{call.lineno}: _() needs its words in quotes")
                found.setdefault(text.value, name)
    return found
