"""What a tracking server gets of a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from diar.score.amounts import Amounts

REPORT_FILES = ("index.html", "der.json", "der_breakdown.png", "timeline_*.png", "words_score.json")


def der_figures(pooled: Amounts) -> dict[str, float]:
    """Return rates as shares and amounts, times in seconds; without rates that have nothing to divide by."""
    rates = {
        "der": pooled.der,
        "jer": pooled.jer,
        "speaker_count_error": pooled.mean_count_error,
        "speaker_count_accuracy": pooled.count_accuracy,
        "overlap_precision": pooled.overlap_precision,
        "overlap_recall": pooled.overlap_recall,
    }
    parts = {"miss": pooled.miss, "false_alarm": pooled.false_alarm, "confusion": pooled.confusion}
    if pooled.speech > 0:
        rates |= {f"{name}_rate": seconds / pooled.speech for name, seconds in parts.items()}
    figures = {**rates, **asdict(pooled)}
    return {name: float(value) for name, value in figures.items() if value is not None}


def numbers(document: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return all numbers of a JSON document, named by the keys that lead to them."""
    found: dict[str, float] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            found[f"{prefix}{key}"] = float(value)
    return found
