"""The house keeps its own rules: sizes, names, who may commit, what a page may contain, what is pinned."""

import ast
import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import brotli
import pytest

from tests import vendored
from tests.house import RULES, Rule

ROOT = Path(__file__).resolve().parent.parent
LOADER_BYTES = 2048  # on every page of a customer's site, before anything of theirs: it must cost nothing
NOT_OURS = ("static/vendor/", "tests/vendor/")


def _tree() -> list[str]:
    """The files a stranger gets: what git tracks or would add, else (unpacked without git) what is there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        paths = [path for path in listed.stdout.split("\0") if path]
    else:
        paths = [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*") if not re.search(r"/\.|__pycache__", f"/{p}")]
    return sorted(path for path in set(paths) if (ROOT / path).is_file() and not path.startswith(NOT_OURS))


def _texts(globs: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for path in _tree():
        if any(_matches(path, glob) for glob in globs):
            try:
                yield path, (ROOT / path).read_text("utf-8")
            except UnicodeDecodeError:  # a picture or a font has no lines to judge
                continue


def _matches(path: str, glob: str) -> bool:
    # PurePath.match of Python 3.11 reads ** as *, so the folder and the name are matched apart.
    folder, _, name = glob.rpartition("**/")
    return path.startswith(folder) and PurePosixPath(path).match(name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    found = [f"{path}:{line}" for path, text in _texts(rule.globs) for line in _broken(rule, path, text)]
    assert not found, "\n" + "\n".join(found)


def _broken(rule: Rule, path: str, text: str) -> list[str]:
    try:
        return list(rule.check(path, text))
    except SyntaxError as error:
        return [f"{error.lineno}: does not parse: {error.msg}"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_rule_sees_what_breaks_it_and_nothing_else(rule: Rule) -> None:
    assert any(_matches(rule.broken[0], glob) for glob in rule.globs)
    assert list(rule.check(*rule.broken))
    assert not list(rule.check(*rule.kept))


# --- Vendored files and dependencies ------------------------------------------------------------------------


@pytest.mark.parametrize("table", vendored.TABLES, ids=lambda table: table.parent.parent.name)
def test_vendored_files_are_the_pinned_ones(table: Path) -> None:
    assert vendored.problems(table) == []


def test_a_changed_and_a_stray_vendored_file_are_seen(tmp_path: Path) -> None:
    table = tmp_path / "VENDOR.toml"
    sha = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of the three bytes "foo"
    table.write_text(
        '[p]\nnpm = "p"\nversion = "1"\nlicence = "MIT"\nfolder = "p"\n'
        f'[p.files]\n"LICENSE" = "{sha}"\n"a.js" = "{sha}"\n'
    )
    (tmp_path / "p").mkdir()
    for name in ("LICENSE", "a.js"):
        (tmp_path / "p" / name).write_text("foo")
    assert vendored.problems(table) == []
    (tmp_path / "p" / "a.js").write_text("fop")
    (tmp_path / "p" / "b.js").write_text("foo")
    assert vendored.problems(table) == [
        "a.js: its bytes are not the pinned ones",
        "p/b.js: is on disk, not in VENDOR.toml",
    ]


def test_each_dependency_has_a_line_that_justifies_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {match[0] for line in wanted if (match := re.match(r"[\w.-]+", line)) and match[0] != "inbox"}
    told = set(re.findall(r"(?m)^\| `([\w.-]+)` \|", (ROOT / "docs" / "dependencies.md").read_text("utf-8")))
    assert names == told


def test_the_loader_stays_small() -> None:
    loader = ROOT / "static" / "widget" / "loader.js"
    if not loader.exists():
        pytest.skip("there is no loader yet")
    assert len(brotli.compress(loader.read_bytes())) <= LOADER_BYTES


# --- Events: what is not drawn cannot be seen ---------------------------------------------------------------


def _module(name: str) -> ModuleType:
    path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
    if not path.exists():
        pytest.skip(f"there is no {name} yet")
    return importlib.import_module(name)


def _events() -> dict[str, Any]:
    """The classes of things that happen, by name; what has subclasses is a common base, not an event."""
    module = _module("inbox.domain.events")
    found = {
        name: thing
        for name, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, module.Event) and not thing.__subclasses__()
    }
    assert found, "no Event classes found: has the base class another name?"
    return found


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_names_turn_into_file_names() -> None:
    assert _snake("ConversationBecameLate") == "conversation_became_late"


def test_each_event_says_what_happened() -> None:
    assert not [name for name, event in _events().items() if not (vars(event).get("__doc__") or "").strip()]


def test_each_event_is_drawn_or_says_that_it_is_not() -> None:
    events = _events()
    live = ROOT / "templates" / "agent" / "live"
    if not live.exists():
        pytest.skip("there is no templates/agent/live yet")
    drawn = {path.stem for path in live.glob("*.html") if not path.name.startswith("_")}
    assert drawn == {_snake(name) for name, event in events.items() if event.drawn}


def test_visitors_are_shown_the_public_events_and_no_others() -> None:
    events = _events()
    frames = _module("inbox.web.widget.frames")
    source = Path(str(frames.__file__)).read_text("utf-8")
    named = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    named |= {n.attr for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute)}
    assert named & events.keys() == {name for name, event in events.items() if event.public}
