"""What can go wrong in a call of the library; all are `diar.DiarError`."""

from __future__ import annotations

from diar.errors import DiarError
from diar.extras import pip_install


class ArgumentError(DiarError, ValueError):
    """An argument that cannot be used; the message names its parameter."""


class AudioError(DiarError):
    """Audio that gives no embedding.

    Attributes:
        kind: as `status` in stage 1's index, such as `missing`, `undecodable`, `too_short`, `silent`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class MissingPackageError(DiarError, ImportError):
    """A package that is needed on request only, and is not installed."""

    def __init__(self, method: str, package: str) -> None:
        super().__init__(f"{method} needs the package {package}: {pip_install(package)}")
