"""How far a precision moves the DER of our pipeline, where that was measured, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import yaml

from diar.models.weights.named_models import NAMED_MODELS

TABLE = Path(__file__).with_name("measured.yaml")
MOST_POINTS = 0.2  # of DER in %, by which a precision may move it and still be served unasked
_UNKNOWN = "not measured"


def der_move(sha256: str, precision: str) -> str:
    """Return by how many points a precision moves the DER, or `not measured`: a field of a file's metadata.

    Args:
        sha256: of the weights; named ones were measured (benchmarks/export_precision.py).
        precision: of the file.
    """
    if precision == "fp32":
        return "0"
    table = yaml.safe_load(TABLE.read_text("utf-8"))
    names = [name for name, model in NAMED_MODELS.items() if model.sha256 == sha256]
    found = [table[name][precision] for name in names if precision in table.get(name, {})]
    return str(found[0]) if found else _UNKNOWN


def is_small(move: str) -> bool:
    """Return whether a file with that in its metadata may be served without a word."""
    return move != _UNKNOWN and float(move) <= MOST_POINTS


def told(move: str) -> str:
    """Return a move of the DER in words."""
    return "its DER was not measured" if move == _UNKNOWN else f"the DER moves by {float(move):+.2f} points"
