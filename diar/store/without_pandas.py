"""Keeping pandas out of commands: Arrow imports it, if installed, to recognise what nobody here gives it."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    """Finds no pandas, and leaves all else to others."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def keep_pandas_out() -> None:
    """Let Arrow convert lists and arrays without importing pandas, which takes 0.3 to 0.7 s.

    Arrow looks for pandas once, at its first conversion, and here it finds none. `to_pandas` looks again, so
    it works as ever. Until then Arrow takes a pandas Series for any sequence. So this is for processes of
    diar's own, at their start, and not for `import diar`.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(finder)
