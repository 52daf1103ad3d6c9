"""Errors of exports."""

from __future__ import annotations

from diar.errors import DiarError


class ExportError(DiarError):
    """A network that cannot be exported, or a file that cannot be read or differs from the network."""
