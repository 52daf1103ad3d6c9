"""Which files were ever published in a folder, by inode: a file that is written twice shows as two inodes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOOK = 0.02  # seconds


@dataclass
class Watcher:
    """Looks 50 times a second; a context manager.

    Attributes:
        folder: that is looked at.
        patterns: of files below it.
        seen: inodes by path below `folder`.
    """

    folder: Path
    patterns: Sequence[str]
    seen: dict[str, set[int]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watcher:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            self.look()

    def look(self) -> None:
        """Note what is there now."""
        for pattern in self.patterns:
            with contextlib.suppress(FileNotFoundError):  # a folder may go meanwhile
                for file in self.folder.glob(pattern):
                    with contextlib.suppress(FileNotFoundError):
                        name = str(file.relative_to(self.folder))
                        self.seen.setdefault(name, set()).add(file.stat().st_ino)

    def twice(self, suffix: str = "") -> int:
        """Count the files that were published more than once."""
        return sum(len(inodes) > 1 for name, inodes in self.seen.items() if name.endswith(suffix))
