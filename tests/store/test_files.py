"""Files: whole or not at all, on disk before they are named, and gone when nobody names them."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inbox.domain.errors import NotFound, ReadOnly, TooLarge
from inbox.store.files import CHUNK, Files

DAY = 86_400.0


async def stream(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def all_files(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file() and p.name != ".gate"]


async def test_what_streams_in_is_found_by_its_sum(tmp_path: Path) -> None:
    files = Files(tmp_path)
    parts = [b"a" * CHUNK, b"b" * 10, b"", b"c" * CHUNK * 2]
    stored = await files.put(stream(*parts))
    assert stored.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
    assert stored.size == sum(map(len, parts))
    with files.open(stored.sha256) as file:
        assert file.read() == b"".join(parts)
    assert all_files(tmp_path) == [files.path(stored.sha256)]


async def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    files = Files(tmp_path)
    stored = await asyncio.gather(*(files.put(stream(b"same")) for _ in range(10)))
    assert len({s.sha256 for s in stored}) == 1
    assert files.put_bytes(b"same") == stored[0]
    assert len(all_files(tmp_path)) == 1


async def test_too_large_a_file_leaves_nothing(tmp_path: Path) -> None:
    files = Files(tmp_path, max_bytes=1000)
    with pytest.raises(TooLarge):
        await files.put(stream(b"x" * 600, b"x" * 600))
    assert all_files(tmp_path) == []


async def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await Files(tmp_path).put(breaks())
    assert all_files(tmp_path) == []


@pytest.mark.parametrize("name", ["../../secret", "", "A" * 64, "0" * 63, "0" * 62 + "/."])
def test_a_name_that_is_no_sum_names_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        Files(tmp_path).open(name)
    with pytest.raises(NotFound):
        Files(tmp_path).exists(name)


def test_a_sum_that_is_not_kept_is_not_found(tmp_path: Path) -> None:
    assert not Files(tmp_path).exists("0" * 64)
    with pytest.raises(NotFound):
        Files(tmp_path).open("0" * 64)


def test_the_bytes_are_synced_before_they_have_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "bytes")
        fsync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        done.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    Files(tmp_path).put_bytes(b"hello")
    assert done.index("bytes") < done.index("name") < len(done) - 1
    assert done[-1] == "folder"


def test_old_files_are_listed_and_removed_but_not_what_was_brought_again(tmp_path: Path) -> None:
    files = Files(tmp_path)
    old, again, fresh = (files.put_bytes(name) for name in (b"old", b"again", b"fresh"))
    now = time.time() + DAY * 2
    os.utime(files.path(fresh.sha256), (now, now))
    listed = [each for batch in files.old(now) for each in batch]
    assert set(listed) == {old.sha256, again.sha256}
    files.put_bytes(b"again")
    os.utime(files.path(again.sha256), (now, now))
    assert files.remove(listed, now) == 1
    assert not files.exists(old.sha256)
    assert files.exists(again.sha256)
    assert files.exists(fresh.sha256)


def test_a_removal_waits_while_another_process_brings_a_file(tmp_path: Path) -> None:
    files = Files(tmp_path)
    stored = files.put_bytes(b"old")
    code = (
        "import sys; from pathlib import Path; from inbox.store.files import Files; import time\n"
        "files = Files(Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "print(files.remove([sys.argv[2]], time.time() + 2 * 86400), flush=True)\n"
    )
    with files.gate(fcntl.LOCK_SH):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), stored.sha256], stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        time.sleep(0.3)
        assert files.exists(stored.sha256)
    assert other.communicate(timeout=10)[0] == "1\n"


def test_what_a_dead_process_left_half_written_is_removed(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.put_bytes(b"x")
    (files.incoming / "half").write_bytes(b"half")
    assert files.remove_incoming(time.time()) == 0
    assert files.remove_incoming(time.time() + DAY * 2) == 1


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path: Path) -> None:
    # SIGXFSZ would end the process before write() could fail.
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ReadOnly) as refused:
            Files(tmp_path).put_bytes(b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert refused.value.retry_after
    assert all_files(tmp_path) == []
    assert Files(tmp_path).put_bytes(b"x" * 1_000_000).size == 1_000_000
