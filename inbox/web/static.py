"""Static files through WhiteNoise: hashed names, precompressed, cached for ever."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.types import Receive, Scope, Send
from whitenoise import WhiteNoise
from whitenoise.compress import Compressor

BIG = 1024 * 1024  # bytes; larger files are read on a thread
_FOREVER = re.compile(r"^/static/.+\.[0-9a-f]{12}\.[a-z0-9]+$")
_REFERENCE = re.compile(r"""(url\(\s*["']?|(?:from|import)\s*\(?\s*["'])(\.{1,2}/[^"')\s]+)""")


class StaticFiles:
    """Serves `root` under /static/, from hashed and compressed copies in `cache`.

    A file's hash covers what it refers to as well: a module that imports another is renamed when that one changes.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.names: dict[str, str] = {}
        self._busy: set[str] = set()
        files = sorted(p for p in root.rglob("*") if p.is_file())
        stamp = hashlib.sha256(
            "".join(f"{p.relative_to(root)}:{p.stat().st_size}:{p.stat().st_mtime_ns}\n" for p in files).encode()
        ).hexdigest()[:16]
        self.folder = cache / stamp
        done = self.folder / ".done"
        fresh = not done.exists()
        if fresh:
            shutil.rmtree(cache, ignore_errors=True)
            self.folder.mkdir(parents=True)
        for path in files:
            self._name(path.relative_to(root).as_posix(), write=fresh)
        if fresh:
            _compress(self.folder)
            done.write_text("\n".join(f"{k}\t{v}" for k, v in self.names.items()))
        self.files = WhiteNoise(
            _no_app, root=str(self.folder), prefix="/static/", max_age=3600, immutable_file_test=_immutable
        )

    def url(self, name: str) -> str:
        """The address of a file. Raises: KeyError for one that does not exist."""
        return f"/static/{self.names[name]}"

    def build(self) -> str:
        """A name for this set of files: pages of another one are old."""
        return hashlib.sha256("".join(sorted(self.names.values())).encode()).hexdigest()[:12]

    def _name(self, name: str, *, write: bool) -> str:
        if name in self.names:
            return self.names[name]
        self._busy.add(name)
        data = (self.root / name).read_bytes()
        if name.endswith((".css", ".js")) and not name.startswith("vendor/"):
            data = self._pointed(name, data.decode(), write=write).encode()
        base, _, ending = name.rpartition(".")
        hashed = f"{base}.{hashlib.sha256(data).hexdigest()[:12]}.{ending}"
        if write:
            target = self.folder / hashed
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        self._busy.discard(name)
        self.names[name] = hashed
        return hashed

    def _pointed(self, name: str, text: str, *, write: bool) -> str:
        """The text with its relative references turned into hashed names."""

        def point(match: re.Match[str]) -> str:
            target = _join(name, match[2])
            if target in self._busy:
                raise ValueError(f"{name} and {target} import each other: their hashes cannot be told")
            if not (self.root / target).is_file():
                return match[0]
            return f"{match[1]}/static/{self._name(target, write=write)}"

        return _REFERENCE.sub(point, text)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.files.files.get(scope["path"])
        if found is None:
            await _answer(send, 404, [], b"")
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, [("allow", "GET, HEAD")], b"")
            return
        environ = {
            f"HTTP_{key.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1")
            for key, value in scope["headers"]
        }
        if environ.get("HTTP_RANGE", "").strip() == "bytes=0-0":
            environ["HTTP_RANGE"] = "bytes=0-1"  # WhiteNoise calls a range of one byte unsatisfiable
        response = found.get_response(scope["method"], environ)
        body = await _body(response.file)
        headers = [(key.lower(), value) for key, value in response.headers]
        if body and dict(headers).get("content-length", str(len(body))) != str(len(body)):
            body = body[: int(dict(headers)["content-length"])]
        await _answer(send, response.status.value, headers, body)


async def _body(file: Any) -> bytes:
    if file is None:
        return b""
    with file:
        data: bytes = await anyio.to_thread.run_sync(file.read)
        return data


async def _answer(send: Send, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    extra = [("x-content-type-options", "nosniff"), ("cross-origin-resource-policy", "cross-origin")]
    encoded = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in [*headers, *extra]]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _join(base: str, relative: str) -> str:
    parts = base.split("/")[:-1]
    for step in relative.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)


def _compress(folder: Path) -> None:
    compressor = Compressor(quiet=True)
    for path in folder.rglob("*"):
        if path.is_file() and compressor.should_compress(path.name):
            for _made in compressor.compress(str(path)):
                continue


def _immutable(path: str, url: str) -> bool:
    return _FOREVER.match(url) is not None


def _no_app(environ: Any, start_response: Any) -> list[bytes]:
    raise RuntimeError("only files are served here")
