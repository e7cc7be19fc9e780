"""Static files: named by what they hold, small on the wire, and nothing else of the disk."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import brotli
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from inbox.web.static import StaticFiles

ROOT = Path(__file__).resolve().parent.parent.parent / "static"
STYLE = ".a { background: url('../picture.svg') }\n" + "/* long enough to be worth compressing */\n" * 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "css").mkdir(parents=True)
    (root / "css" / "a.css").write_text(STYLE)
    (root / "picture.svg").write_text("<svg/>")
    (root / "app.js").write_text('import { b } from "./b.js";\n')
    (root / "b.js").write_text("export const b = 1;\n")
    (tmp_path / "secret.txt").write_text("not for anybody")
    return root


@pytest.fixture
async def client(root: Path, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=[Mount("/static", StaticFiles(root, tmp_path / "cache"))])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://desk") as made:
        yield made


def files(root: Path, tmp_path: Path) -> StaticFiles:
    return StaticFiles(root, tmp_path / "cache")


def test_a_name_changes_with_what_the_file_refers_to(root: Path, tmp_path: Path) -> None:
    before = files(root, tmp_path)
    (root / "b.js").write_text("export const b = 2;\n")
    after = files(root, tmp_path)
    assert before.url("app.js") != after.url("app.js")
    assert before.url("css/a.css") == after.url("css/a.css")
    assert before.build() != after.build()


async def test_references_point_at_hashed_names(client: httpx2.AsyncClient, root: Path, tmp_path: Path) -> None:
    made = files(root, tmp_path)
    script = await client.get(made.url("app.js"))
    style = await client.get(made.url("css/a.css"))
    assert made.url("b.js") in script.text
    assert made.url("picture.svg") in style.text


async def test_a_hashed_file_may_be_kept_for_ever(client: httpx2.AsyncClient, root: Path, tmp_path: Path) -> None:
    answer = await client.get(files(root, tmp_path).url("css/a.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"] == 'text/css; charset="utf-8"'
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_it_travels_compressed(client: httpx2.AsyncClient, root: Path, tmp_path: Path) -> None:
    url = files(root, tmp_path).url("css/a.css")
    for encoding, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress)):
        async with client.stream("GET", url, headers={"Accept-Encoding": encoding}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == encoding
        assert answer.headers["vary"] == "Accept-Encoding"
        assert len(raw) < len(STYLE) / 4
        assert b"background" in unpack(raw)


async def test_what_is_known_is_not_sent_again(client: httpx2.AsyncClient, root: Path, tmp_path: Path) -> None:
    url = files(root, tmp_path).url("b.js")
    first = await client.get(url)
    hashed = re.search(r"\.([0-9a-f]{12})\.", url)
    assert hashed is not None and first.headers["etag"] == f'"{hashed[1]}"'
    again = await client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "body", "part"),
    [
        ("bytes=0-0", 206, b"e", "bytes 0-0/20"),
        ("bytes=19-", 206, b"\n", "bytes 19-19/20"),
        ("bytes=-1", 206, b"\n", "bytes 19-19/20"),
        ("bytes=0-5", 206, b"export", "bytes 0-5/20"),
        ("bytes=20-", 416, b"", "bytes */20"),
    ],
)
async def test_a_part_can_be_asked_for(
    client: httpx2.AsyncClient, root: Path, tmp_path: Path, asked: str, status: int, body: bytes, part: str
) -> None:
    url = files(root, tmp_path).url("b.js")
    answer = await client.get(url, headers={"Range": asked, "Accept-Encoding": "identity"})
    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers["content-range"] == part


@pytest.mark.parametrize(
    "path",
    [
        "/static/nothing.css",
        "/static/css/a.css",
        "/static/",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static//etc/passwd",
    ],
)
async def test_nothing_else_is_there(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_a_file_is_only_read(client: httpx2.AsyncClient, root: Path, tmp_path: Path) -> None:
    answer = await client.post(files(root, tmp_path).url("b.js"))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    head = await client.head(files(root, tmp_path).url("b.js"), headers={"Accept-Encoding": "identity"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "20")


def test_a_second_process_finds_the_files_made(root: Path, tmp_path: Path) -> None:
    first = files(root, tmp_path)
    (folder,) = (tmp_path / "cache").iterdir()
    written = (folder / first.names["app.js"]).stat().st_mtime_ns
    second = files(root, tmp_path)
    assert second.url("app.js") == first.url("app.js")
    assert (folder / first.names["app.js"]).stat().st_mtime_ns == written
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_files_that_import_each_other_cannot_be_named(root: Path, tmp_path: Path) -> None:
    (root / "b.js").write_text('import "./app.js";\n')
    with pytest.raises(ValueError, match="import each other"):
        files(root, tmp_path)


@pytest.mark.parametrize("there", ["./gone.js", "../../secret.txt"])
async def test_what_is_not_there_is_not_named(root: Path, tmp_path: Path, there: str) -> None:
    (root / "b.js").write_text(f'import "{there}";\n')
    made = files(root, tmp_path)
    assert there in (tmp_path / "cache" / made.build() / made.names["b.js"]).read_text()


def test_our_own_files_have_names(tmp_path: Path) -> None:
    made = StaticFiles(ROOT, tmp_path / "cache")
    assert re.fullmatch(r"/static/css/tokens\.[0-9a-f]{12}\.css", made.url("css/tokens.css"))
    with pytest.raises(KeyError):
        made.url("css/none.css")


def test_our_own_files_refer_only_to_what_is_there(tmp_path: Path) -> None:
    made = StaticFiles(ROOT, tmp_path / "cache")
    ours = [name for name in made.names if name.endswith((".js", ".css")) and not name.startswith("vendor/")]
    assert len(ours) > 20
    for name in ours:
        text = (tmp_path / "cache" / made.build() / made.names[name]).read_text()
        assert not re.findall(r"""(?:from|import)\s*\(?\s*["']\.[^"']+|url\(\s*["']?\.[^)]+""", text), name
