"""One writing process on SQLite: whoever serves holds this lock."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

FILE = "writer.lock"


class WriterLock:
    """Held while the process lives; the kernel lets it go with the process. Its number stands in the file, for people."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises: RuntimeError when another process serves this folder."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise RuntimeError(
                f"Another process ({holder}) serves {self.path.parent}: stop it first, or use PostgreSQL for several."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    @property
    def holder(self) -> str:
        """The process that holds it now; empty when nobody does."""
        try:
            self.take()
        except RuntimeError:
            return self.path.read_text().strip() or "unknown"
        self.release()
        return ""

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
