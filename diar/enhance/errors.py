"""Errors of enhancement."""

from __future__ import annotations

from diar.errors import DiarError


class EnhancementError(DiarError):
    """A denoiser that cannot be opened, or audio that it cannot take."""
