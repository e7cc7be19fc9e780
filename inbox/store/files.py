"""The bytes of attachments and large receipts: on disk before any row names them, found by their SHA-256, never changed."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from inbox.domain.errors import NotFound, ReadOnly, TooLarge

CHUNK = 256 * 1024  # bytes gathered before a thread is asked to write them
MAX_BYTES = 25 * 1024**2  # of one file: what mail providers let through
KEEP_UNNAMED_SECONDS = 86_400.0  # the row that names a file may come later: an upload waits for its message
SWEEP_SIZE = 500  # sums asked about at once
T = TypeVar("T")


class Stored(msgspec.Struct, frozen=True):
    """On disk for good."""

    sha256: str
    size: int


class Files:
    """One folder: `ab/cd/abcd…`, so that no folder grows large, and `incoming/` for what is not whole yet."""

    def __init__(self, root: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self.incoming = root / "incoming"

    async def put(self, chunks: AsyncIterable[bytes]) -> Stored:
        """Keep what streams in. Raises: TooLarge, ReadOnly when the disk is full; nothing is left behind then."""
        sink = await asyncio.to_thread(_Sink, self)
        try:
            waiting = bytearray()
            async for chunk in chunks:
                waiting += chunk
                if len(waiting) >= CHUNK:
                    await asyncio.to_thread(sink.write, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(sink.write, bytes(waiting))
            return await asyncio.to_thread(sink.keep)
        finally:
            await asyncio.to_thread(sink.close)

    def put_bytes(self, data: bytes) -> Stored:
        """As `put`, for bytes at hand, in the calling thread."""
        sink = _Sink(self)
        try:
            sink.write(data)
            return sink.keep()
        finally:
            sink.close()

    def path(self, sha256: str) -> Path:
        """Where these bytes are kept. Raises: NotFound for what is no SHA-256 (it could name another folder)."""
        if len(sha256) != 64 or not all(c in "0123456789abcdef" for c in sha256):
            raise NotFound("There is no such file.")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def exists(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def open(self, sha256: str) -> BinaryIO:
        """Raises: NotFound."""
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise NotFound("There is no such file.") from None

    def old(self, now: float, *, older_than: float = KEEP_UNNAMED_SECONDS) -> Iterator[list[str]]:
        """Sums of files not touched for so many seconds, `SWEEP_SIZE` at a time: a row should name each by now."""
        found: list[str] = []
        for path in self.root.glob("??/??/*"):
            if path.stat().st_mtime < now - older_than:
                found.append(path.name)
            if len(found) == SWEEP_SIZE:
                yield found
                found = []
        if found:
            yield found

    def remove(self, sums: list[str], now: float, *, older_than: float = KEEP_UNNAMED_SECONDS) -> int:
        """Remove files nobody names, unless somebody just brought the same bytes again. Returns how many went."""
        gone = 0
        with self.gate(fcntl.LOCK_EX):
            for path in map(self.path, sums):
                if path.exists() and path.stat().st_mtime < now - older_than:
                    path.unlink()
                    gone += 1
        return gone

    def remove_incoming(self, now: float, *, older_than: float = KEEP_UNNAMED_SECONDS) -> int:
        """Remove what a process left half written."""
        left = [p for p in self.incoming.glob("*") if p.stat().st_mtime < now - older_than]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    @contextmanager
    def gate(self, how: int) -> Iterator[None]:
        """Keeps a removal apart from an arrival of the same bytes, in other processes too."""
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root / ".gate", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


class _Sink:
    """One file on its way in. Every step runs in a thread of the caller's choice."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._hash = hashlib.sha256()
        self._size = 0
        _on_full_disk(lambda: files.incoming.mkdir(parents=True, exist_ok=True))
        descriptor, name = _on_full_disk(lambda: tempfile.mkstemp(dir=files.incoming))
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._files.max_bytes:
            raise TooLarge(f"A file may have {self._files.max_bytes // 1024**2} MB at most.")
        self._hash.update(data)
        _on_full_disk(lambda: self._file.write(data))

    def keep(self) -> Stored:
        """Sync the bytes, give them their name, sync the name."""
        sha256 = self._hash.hexdigest()
        _on_full_disk(self._sync)
        target = self._files.path(sha256)
        with self._files.gate(fcntl.LOCK_SH):
            if not target.parent.exists():
                _on_full_disk(lambda: target.parent.mkdir(parents=True, exist_ok=True))
                for folder in (self._files.root, target.parent.parent):
                    sync_folder(folder)
            # Over a file of the same name it changes nothing but the time, which tells the sweep that it is wanted.
            self._path.replace(target)
            sync_folder(target.parent)
        return Stored(sha256, self._size)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:  # what was buffered did not fit; `keep` or `write` told the caller
            pass
        self._path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _on_full_disk(step: Callable[[], T]) -> T:
    try:
        return step()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ReadOnly("The disk is full, so this file was not kept. Try again later.", retry_after=5) from error
        raise
