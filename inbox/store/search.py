"""Search over what people wrote: one call, the same hits on both databases, Chinese and Japanese included."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection, bindparam, insert, text

from inbox.domain.search import SearchEntry
from inbox.store.transaction import Reading

MAX_TOKEN = 64  # signs; a longer run of letters is no word, and PostgreSQL refuses lexemes over 2 KiB
MAX_QUERY_TOKENS = 12
_WORD = re.compile("[a-z0-9]+")
_TABLE = SearchEntry.__table__  # type: ignore[attr-defined]
_INSERT = insert(_TABLE)


class Entry(msgspec.Struct, frozen=True):
    """One thing to be found: its words, and the conversation they lead to."""

    kind: str
    ref_id: str
    conversation_id: str
    text: str


class Hit(msgspec.Struct, frozen=True):
    kind: str
    ref_id: str
    conversation_id: str
    n: int


def fold(words: str) -> list[str]:
    """Text as tokens: accents and case gone, letters and digits only, scripts without spaces as overlapping pairs.

    Done here and not in the database, since the two databases fold differently (accents) or not at all (CJK).
    """
    if words.isascii():  # most of what is written: nothing to fold but case
        return [word[:MAX_TOKEN] for word in _WORD.findall(words.lower())]
    plain = unicodedata.normalize("NFKD", words)
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    plain = unicodedata.normalize("NFC", plain)
    tokens: list[str] = []
    for is_cjk, run in _runs(plain):
        tokens.extend(_pairs(run) if is_cjk else (run[:MAX_TOKEN],))
    return tokens


def _runs(plain: str) -> Iterator[tuple[bool, str]]:
    def kind(c: str) -> int:
        return 2 if _is_cjk(c) else 1 if c.isalnum() else 0

    for which, signs in groupby(plain, key=kind):
        if which:
            yield which == 2, "".join(signs)


def _is_cjk(c: str) -> bool:
    return "぀" <= c <= "ヿ" or "㐀" <= c <= "鿿" or "豈" <= c <= "﫿" or "가" <= c <= "힣" or c >= "\U00020000"


def _pairs(run: str) -> Iterator[str]:
    for a, b in zip(run, run[1:], strict=False):
        yield a + b
    yield run[-1]  # so that a single sign, asked as the beginning of a pair, also finds the last one


def index(connection: Connection, workspace_id: str, entries: Sequence[Entry]) -> None:
    """Make `entries` findable, in the action that wrote them. Each is new: for a changed one call `reindex`."""
    rows = [
        {
            "workspace_id": workspace_id,
            "kind": entry.kind,
            "ref_id": entry.ref_id,
            "conversation_id": entry.conversation_id,
            "search_text": f"w{workspace_id} {' '.join(dict.fromkeys(fold(entry.text)))}",
        }
        for entry in entries
        if entry.text
    ]
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(
            text(
                "INSERT INTO search_entry (workspace_id, kind, ref_id, conversation_id, search_text, tsv) VALUES "
                "(:workspace_id, :kind, :ref_id, :conversation_id, CAST(:search_text AS text),"
                " array_to_tsvector(string_to_array(trim(CAST(:search_text AS text)), ' ')))"
            ),
            rows,
        )
        return
    first = connection.exec_driver_sql("SELECT coalesce(max(n), 0) + 1 FROM search_entry").scalar_one()
    numbered = [{"n": n, **row} for n, row in enumerate(rows, first)]
    connection.execute(_INSERT, numbered)
    connection.exec_driver_sql(
        "INSERT INTO search_index (rowid, search_text) VALUES (?, ?)",
        [(row["n"], row["search_text"]) for row in numbered],
    )


def forget(connection: Connection, workspace_id: str, kind: str, ref_id: str) -> None:
    """Take one entry out of the index."""
    key = {"w": workspace_id, "k": kind, "r": ref_id}
    where = "WHERE workspace_id = :w AND kind = :k AND ref_id = :r"
    if connection.dialect.name != "postgresql":
        # An external-content index forgets a row only when told its old words.
        connection.execute(
            text(
                "INSERT INTO search_index (search_index, rowid, search_text) "
                f"SELECT 'delete', n, search_text FROM search_entry {where}"
            ),
            key,
        )
    connection.execute(text(f"DELETE FROM search_entry {where}"), key)


def reindex(connection: Connection, workspace_id: str, entry: Entry) -> None:
    """Replace one entry's words."""
    forget(connection, workspace_id, entry.kind, entry.ref_id)
    index(connection, workspace_id, [entry])


def find_in_workspace(
    rx: Reading, workspace_id: str, query: str, *, before: int | None = None, limit: int = 50
) -> list[Hit]:
    """Entries holding every word of `query` (the last one as a beginning), newest first.

    Scoped by workspace only: `store/conversations.py::search` drops what the viewer may not see.
    """
    words = fold(query)[:MAX_QUERY_TOKENS]
    if not words:
        return []
    below = before if before is not None else 2**62
    own = {"words": "", "below": below, "most": limit}
    if rx.connection.dialect.name == "postgresql":
        own["words"] = " & ".join([f"'w{workspace_id}'", *(f"'{w}'" for w in words[:-1]), f"'{words[-1]}':*"])
        sql = (
            "SELECT kind, ref_id, conversation_id, n FROM search_entry "
            "WHERE tsv @@ CAST(:words AS tsquery) AND n < :below ORDER BY n DESC LIMIT :most"
        )
    else:
        own["words"] = " AND ".join([f'"w{workspace_id}"', *(f'"{w}"' for w in words[:-1]), f'"{words[-1]}"*'])
        sql = (
            "SELECT e.kind, e.ref_id, e.conversation_id, e.n FROM search_index JOIN search_entry e ON e.n = search_index.rowid "
            "WHERE search_index MATCH :words AND search_index.rowid < :below ORDER BY search_index.rowid DESC LIMIT :most"
        )
    statement = text(sql).bindparams(bindparam("words"), bindparam("below"), bindparam("most"))
    return [Hit(*row) for row in rx.connection.execute(statement, own)]
