"""Records as a table of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from diar.api.errors import MissingPackageError

if TYPE_CHECKING:
    import pandas


def data_frame(kind: type[Any], records: Sequence[Any]) -> pandas.DataFrame:
    """Return a table of dataclass records of one kind, a column a field.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingPackageError("to_pandas", "pandas") from None
    columns = list(kind.__dataclass_fields__)
    return pandas.DataFrame([[getattr(one, name) for name in columns] for one in records], columns=columns)
