"""The metrics of a score, as a textfile."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from diar.connectors.prometheus.exposition import make_registry, write_file
from diar.connectors.prometheus.families import Family, Sample, named

_QUANTILES = (0.5, 0.95, 1.0)


def write_scores(
    path: str, families: Sequence[Family], name: str, figures: Mapping[str, float | None]
) -> None:
    """Write one value a metric; a rate that has nothing to divide by is left out.

    Args:
        path: of the file.
        families: that may be written.
        name: of the set that was scored, the label `set`.
        figures: by name of the metric; `NAME{q}` is the quantile q.

    Raises:
        DiarError: prometheus-client is missing.
        OSError: the file cannot be written.
    """
    values: dict[str, list[Sample]] = {}
    for key, value in figures.items():
        metric, _, quantile = key.partition("{")
        labels = (name, quantile.rstrip("}")) if quantile else (name,)
        if value is not None and np.isfinite(value):
            values.setdefault(metric, []).append((labels, float(value)))
    told = named(families, values)
    write_file(make_registry(lambda: told), path)


def quantiles(metric: str, rates: Sequence[float]) -> dict[str, float | None]:
    """Return median, 95th percentile and worst of single recordings, as `write_scores` takes them."""
    if not rates:
        return {}
    return {f"{metric}{{{q}}}": float(np.quantile(rates, q)) for q in _QUANTILES}


def now() -> float:
    """Return seconds since the epoch."""
    return time.time()
