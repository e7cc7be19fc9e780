"""The rules about the code itself, each a function from one file to what is wrong with it.

A rule carries a made-up file that breaks it and one that keeps it: a rule that finds nothing may be blind.
An exception is a line here with its reason, never a comment in the code.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MODULE_LINES = 300
TEST_LINES = 500
FUNCTION_LINES = 40
WORDS_WITHOUT_A_NOUN = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "service",
    "handler",
    "misc",
}

# Who may end a transaction (batch.py: the savepoint of one action, for the writer). Migrations run before there is a writer, under their own lock.
COMMITTERS = {
    "inbox/store/writer.py",
    "inbox/store/batch.py",
    "inbox/store/migrate.py",
    "inbox/store/migrations/env.py",
}

# Who may know which database it is talking to.
DIALECT_KNOWERS = {
    "inbox/store/engine.py",
    "inbox/store/search.py",
    "inbox/store/jobs.py",
    "inbox/domain/columns.py",  # a column type is a type per dialect: JSON here is JSONB there
}
DIALECT_FOLDERS = ("inbox/store/migrations/",)  # DDL that one dialect lacks stands behind its name

# store/ modules that are plumbing: they answer no question about anybody's rows.
PLUMBING = {
    "engine",
    "writer",
    "batch",
    "lanes",
    "transaction",
    "log",
    "migrate",
    "files",
    "backup",
    "dump",
    "epoch",
    "lock",
    "search",  # scoped by a workspace token in the index; who sees a hit is asked of conversations
    "__init__",
}

Check = Callable[[str, str], Iterator[str]]


@dataclass(frozen=True)
class Rule:
    """Which files it reads (globs from the root), how, and one file that breaks and one that keeps it."""

    name: str
    globs: tuple[str, ...]
    check: Check
    broken: tuple[str, str]
    kept: tuple[str, str]


# --- Size and names -----------------------------------------------------------------------------------------


def short_files(path: str, text: str) -> Iterator[str]:
    if path.startswith(DIALECT_FOLDERS):
        return  # a migration is a list of tables, written once and never grown
    limit = MODULE_LINES if path.startswith("inbox/") else TEST_LINES
    count = len(text.splitlines())
    if count > limit:
        yield f"{count} lines, at most {limit}: it holds two nouns"


def short_functions(path: str, text: str) -> Iterator[str]:
    if path.startswith(DIALECT_FOLDERS):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
            if count > FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {count} lines, at most {FUNCTION_LINES}"


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1 if ast.get_docstring(node) is not None else 0


def named_after_a_noun(path: str, text: str) -> Iterator[str]:
    parts = PurePosixPath(path.removeprefix("inbox/")).with_suffix("").parts
    # web/manager/ is where the manager, a person, works.
    allowed = {"manager"} if parts[:2] == ("web", "manager") and len(parts) > 2 else set()
    for part in set(parts) & WORDS_WITHOUT_A_NOUN - allowed:
        yield f"{part!r} says nothing: find the noun these functions belong to"


def promises_something(path: str, text: str) -> Iterator[str]:
    tree = ast.parse(text)
    if tree.body and not ast.get_docstring(tree):
        yield "1: no module docstring: what does this file promise?"


# --- Store --------------------------------------------------------------------------------------------------


def only_the_writer_commits(path: str, text: str) -> Iterator[str]:
    if path in COMMITTERS:
        return
    for node in ast.walk(ast.parse(text)):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
        spoken = (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.upper().strip() == "COMMIT"
        )
        if called or spoken:
            yield f"{getattr(node, 'lineno', 0)}: only store/writer.py commits"


def few_know_the_dialect(path: str, text: str) -> Iterator[str]:
    if path in DIALECT_KNOWERS or path.startswith(DIALECT_FOLDERS):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and node.value in ("sqlite", "postgresql"):
            yield f"{node.lineno}: {node.value!r} is for store/engine.py, store/search.py and store/jobs.py"
        for module in _imported(node):
            if re.match(r"(sqlite3|psycopg|sqlalchemy\.dialects)(\.|$)", module):
                yield f"{getattr(node, 'lineno', 0)}: {module} is for store/engine.py, search.py and jobs.py"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def every_query_knows_who_asks(path: str, text: str) -> Iterator[str]:
    if PurePosixPath(path).stem in PLUMBING or path.startswith("inbox/store/migrations/"):
        return
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        asked = {argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
        if not asked & {"viewer", "tx"} and not node.name.endswith("_across_workspaces"):
            yield f"{node.lineno}: {node.name} takes neither viewer nor tx: whose rows may it show?"


# --- Pages --------------------------------------------------------------------------------------------------


def text_is_escaped(path: str, text: str) -> Iterator[str]:
    if path == "inbox/web/templates.py":
        return
    python = path.endswith(".py")
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\bMarkup\(" if python else r"\|\s*safe\b|\bMarkup\(|autoescape\s+false", line):
            yield f"{number}: only inbox/web/templates.py may say that text needs no escaping"


def markup_obeys_the_policy(path: str, text: str) -> Iterator[str]:
    # Jinja's own words go first: `{{ row(style='x') }}` is a call, `{# style= #}` a remark.
    bare = re.sub(r"(?s)\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", lambda found: "\n" * found[0].count("\n"), text)
    for tag in re.finditer(r"(?s)<[a-zA-Z][^<>]*>", bare):
        number = bare[: tag.start()].count("\n") + 1
        if re.search(r"(?i)\sstyle\s*=", tag[0]):
            yield f"{number}: style= is refused by the content policy: give it a class"
        if re.search(r"(?i)\s(on[a-z]+|hx-on[\w:.-]*)\s*=|=\s*[\"']?\s*javascript:", tag[0]):
            yield f"{number}: an inline handler is refused by the content policy: use a custom element"


PHYSICAL = r"(?:(?:min-|max-)?(?:width|height)|left|right|top|bottom|(?:margin|padding)-(?:left|right|top|bottom)"
PHYSICAL += r"|border-(?:left|right|top|bottom)(?:-[a-z-]+)?)\s*:|(?:text-align|float|clear)\s*:\s*(?:left|right)\b"


def css_follows_the_script(path: str, text: str) -> Iterator[str]:
    bare = re.sub(r"(?s)/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text)
    for found in re.finditer(rf"[;{{]\s*({PHYSICAL})", bare):
        number = bare[: found.start(1)].count("\n") + 1
        yield f"{number}: {found[1]} turns wrong in right-to-left: use inline and block"


# --- The tree as a stranger gets it -------------------------------------------------------------------------

# Written apart, so that this file keeps its own rule.
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npmjs" + ".org",
    "npmjs" + ".com",
    "deb." + "debian.org",
)
PLACES = r"(?<![\w.])/(?:root|home/\w+|work/(?:main|shared)|Users/\w+)" + "/"


def belongs_to_no_machine(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for host in REGISTRIES:
            if host in line.lower():
                yield f"{number}: names a registry's host; write PyPI, npm or Debian"
        if found := re.search(PLACES, line):
            yield f"{number}: {found[0]} is a place on one machine"


# --- The list -----------------------------------------------------------------------------------------------

LONG_FUNCTION = '"""M."""\ndef f(tx):\n' + "    x = 1\n" * FUNCTION_LINES
TALL_DOCSTRING = 'def f(tx):\n    """' + "words\n" * 60 + '"""\n    return 1\n'

RULES = [
    Rule(
        "a file is short",
        ("inbox/**/*.py",),
        short_files,
        ("inbox/a.py", "x\n" * 301),
        ("inbox/a.py", "x\n" * 300),
    ),
    Rule(
        "a test file is short",
        ("tests/**/*.py",),
        short_files,
        ("tests/a.py", "x\n" * 501),
        ("tests/a.py", "x\n" * 500),
    ),
    Rule(
        "a function is short",
        ("inbox/**/*.py",),
        short_functions,
        ("inbox/a.py", LONG_FUNCTION),
        ("inbox/a.py", TALL_DOCSTRING),
    ),
    Rule(
        "a module is a noun",
        ("inbox/**/*.py",),
        named_after_a_noun,
        ("inbox/web/utils.py", ""),
        ("inbox/web/manager/board.py", ""),
    ),
    Rule(
        "a package is a noun",
        ("inbox/**/*.py",),
        named_after_a_noun,
        ("inbox/common/x.py", ""),
        ("inbox/store/log.py", ""),
    ),
    Rule(
        "a module makes a promise",
        ("inbox/**/*.py",),
        promises_something,
        ("inbox/a.py", "x = 1\n"),
        ("inbox/__init__.py", ""),
    ),
    Rule(
        "one place commits",
        ("inbox/**/*.py",),
        only_the_writer_commits,
        ("inbox/actions/a.py", "session.commit()\n"),
        ("inbox/store/writer.py", "connection.commit()\n"),
    ),
    Rule(
        "one place says COMMIT",
        ("inbox/**/*.py",),
        only_the_writer_commits,
        ("inbox/store/a.py", "connection.exec_driver_sql('commit')\n"),
        ("inbox/web/a.py", "commit = 'a commitment'\n"),
    ),
    Rule(
        "three files know the dialect",
        ("inbox/**/*.py",),
        few_know_the_dialect,
        ("inbox/store/a.py", "if dialect.name == 'sqlite': pass\n"),
        ("inbox/store/search.py", "x = 'postgresql'\n"),
    ),
    Rule(
        "three files import a driver",
        ("inbox/**/*.py",),
        few_know_the_dialect,
        ("inbox/store/a.py", "from sqlalchemy.dialects.postgresql import insert\n"),
        ("inbox/store/engine.py", "import sqlite3\n"),
    ),
    Rule(
        "a query knows who asks",
        ("inbox/store/**/*.py",),
        every_query_knows_who_asks,
        ("inbox/store/contacts.py", "def by_id(connection, id): ...\n"),
        (
            "inbox/store/contacts.py",
            "def by_id(connection, *, viewer): ...\ndef due_across_workspaces(c): ...\ndef _x(c): ...\n",
        ),
    ),
    Rule(
        "templates escape",
        ("templates/**/*.*",),
        text_is_escaped,
        ("templates/a.html", "{{ body | safe }}"),
        ("templates/a.html", "{{ body }} is safe"),
    ),
    Rule(
        "python escapes",
        ("inbox/**/*.py",),
        text_is_escaped,
        ("inbox/web/a.py", "Markup(body)"),
        ("inbox/web/templates.py", "Markup(body)"),
    ),
    Rule(
        "no inline style",
        ("templates/**/*.html",),
        markup_obeys_the_policy,
        ("templates/a.html", '<p class="x"\n style="color:red">'),
        ("templates/a.html", "{{ row(style='x') }}<p>style = good</p>"),
    ),
    Rule(
        "no inline handler",
        ("templates/**/*.html",),
        markup_obeys_the_policy,
        ("templates/a.html", '<a onclick="go()">'),
        ("templates/a.html", '<a data-on="x" {% if a > b %}hidden{% endif %}>'),
    ),
    Rule(
        "no inline htmx handler",
        ("templates/**/*.html",),
        markup_obeys_the_policy,
        ("templates/a.html", '<a hx-on:click="go()">'),
        ("templates/a.html", '<a hx-get="/x">'),
    ),
    Rule(
        "css is logical",
        ("static/css/**/*.css",),
        css_follows_the_script,
        ("static/css/a.css", ".a { color: red; margin-left: 2px }"),
        (
            "static/css/a.css",
            "/* left: 1px; */ @media (min-width: 9px) { .a { inline-size: 1px; --left: 2px } }",
        ),
    ),
    Rule(
        "css aligns to the start",
        ("static/css/**/*.css",),
        css_follows_the_script,
        ("static/css/a.css", ".a{text-align: right}"),
        ("static/css/a.css", ".a{text-align: end; transition: width 1s}"),
    ),
    Rule(
        "no machine's path",
        ("**/*",),
        belongs_to_no_machine,
        ("a.md", "see /home" + "/ana/notes"),
        ("a.md", "GET /w/demo/home/today"),
    ),
    Rule(
        "no registry's host",
        ("**/*",),
        belongs_to_no_machine,
        ("a.md", "from https://pypi" + ".org/simple"),
        ("a.md", "from PyPI"),
    ),
]
