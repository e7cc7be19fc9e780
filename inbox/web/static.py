"""Static files through WhiteNoise: hashed names, precompressed, cached for ever."""

from __future__ import annotations

import hashlib
import re
import shutil
from http import HTTPStatus
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from wsgiref.headers import Headers

import anyio.to_thread
from starlette.types import Receive, Scope, Send
from whitenoise import WhiteNoise
from whitenoise.compress import Compressor
from whitenoise.responders import Response, SlicedFile, StaticFile

KEEP_SECONDS = 86_400  # of files made by another version: it may still run beside this one while an upgrade rolls out
_HASHED = re.compile(r"\.([0-9a-f]{12})\.[a-z0-9]+$")
_REFERENCE = re.compile(r"""(url\(\s*["']?|(?:from|import)\s*\(?\s*["'])(\.{1,2}/[^"')\s]+)""")


class StaticFiles:
    """Serves `root` under /static/, from hashed and compressed copies in `cache`.

    A file's hash covers what it refers to as well: a module that imports another is renamed when that one changes.
    Several processes may share one `cache`: a set of files appears in it whole or not at all.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.names: dict[str, str] = {}
        self._data: dict[str, bytes] = {}
        self._busy: set[str] = set()
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            self._name(path.relative_to(root).as_posix())
        folder = cache / self.build()
        if not folder.exists():
            _publish(self._data, folder)
        self._data.clear()
        _forget_others(folder)
        self.files = HashedFiles(
            _no_app, root=str(folder), prefix="/static/", max_age=3600, immutable_file_test=_is_hashed
        )

    def url(self, name: str) -> str:
        """The address of a file. Raises: KeyError for one that does not exist."""
        return f"/static/{self.names[name]}"

    def build(self) -> str:
        """A name for this set of files: pages of another one are old."""
        return hashlib.sha256("".join(sorted(self.names.values())).encode()).hexdigest()[:12]

    def _name(self, name: str) -> str:
        """The hashed name; what the file refers to is named first, for it is part of the hash."""
        if name in self.names:
            return self.names[name]
        self._busy.add(name)
        data = (self.root / name).read_bytes()
        if name.endswith((".css", ".js")) and not name.startswith("vendor/"):
            data = self._pointed(name, data.decode()).encode()
        self._busy.discard(name)
        base, _, ending = name.rpartition(".")
        self.names[name] = f"{base}.{hashlib.sha256(data).hexdigest()[:12]}.{ending}" if base else name
        self._data[self.names[name]] = data
        return self.names[name]

    def _pointed(self, name: str, text: str) -> str:
        """The text with its relative references turned into hashed names."""

        def point(match: re.Match[str]) -> str:
            target = _join(name, match[2])
            if target in self._busy:
                raise ValueError(f"{name} and {target} import each other: their hashes cannot be told")
            if not target or not (self.root / target).is_file():
                return match[0]  # one broken reference is that file's trouble; a test finds it
            return f"{match[1]}/static/{self._name(target)}"

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
        response = found.get_response(scope["method"], environ)
        headers = [(key.lower(), value) for key, value in response.headers]
        await _answer(send, response.status.value, headers, await _body(response.file))


class HashedFiles(WhiteNoise):  # type: ignore[misc]  # it has no types
    """WhiteNoise, with the hash in a file's name as its ETag: the same file is the same on every host."""

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> StaticFile:
        headers = Headers([])
        self.add_mime_headers(headers, path, url)
        self.add_cache_headers(headers, path, url)
        if found := _HASHED.search(url):
            headers["ETag"] = f'"{found[1]}"'
        encodings = {"gzip": f"{path}.gz", "br": f"{path}.br"}
        return RangedFile(path, headers.items(), encodings, stat_cache)


class RangedFile(StaticFile):  # type: ignore[misc]  # it has no types
    """A file of which one byte can be asked for: WhiteNoise 6.12 calls that unsatisfiable, and Safari asks it of media."""

    def get_range_response(self, range_header: str, base_headers: Any, file_handle: Any) -> Response:
        size = int(dict(base_headers)["Content-Length"])
        start, end = self.get_byte_range(range_header, size)
        if start != end or start >= size:
            return super().get_range_response(range_header, base_headers, file_handle)
        headers = [pair for pair in base_headers if pair[0] != "Content-Length"]
        headers += [("Content-Range", f"bytes {start}-{end}/{size}"), ("Content-Length", "1")]
        return Response(HTTPStatus.PARTIAL_CONTENT, headers, file_handle and SlicedFile(file_handle, start, end))


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
    """The path a reference means, or an empty one when it leaves the folder."""
    parts = base.split("/")[:-1]
    for step in relative.split("/"):
        if step == ".." and not parts:
            return ""
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)


def _publish(data: dict[str, bytes], folder: Path) -> None:
    """Write and compress the files beside `folder`, then give them its name in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=folder.parent, prefix=".draft-"))
    compressor = Compressor(quiet=True)
    for name, content in data.items():
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if compressor.should_compress(name):
            for _made in compressor.compress(str(target)):
                continue
    draft.chmod(0o755)
    try:
        draft.rename(folder)
    except OSError:  # another process published the same files first
        shutil.rmtree(draft)


def _forget_others(folder: Path) -> None:
    newest = folder.stat().st_mtime
    for other in folder.parent.iterdir():
        if other != folder and newest - other.stat().st_mtime > KEEP_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


def _is_hashed(path: str, url: str) -> bool:
    return _HASHED.search(url) is not None


def _no_app(environ: Any, start_response: Any) -> list[bytes]:
    raise RuntimeError("only files are served here")
