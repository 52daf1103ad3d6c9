"""What both commands write beside a back end, and tell of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import diar
from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_OK
from diar.jobs.left_out import tell_left_out
from diar.jobs.train.labels import Examples
from diar.jobs.train.trials import Calibrated
from diar.store.reader import RecordingIndex

_OF_STAGE_1 = ("model", "model_sha256", "fingerprint")


def write_card(
    file: Path, kind: str, index: RecordingIndex, examples: Examples, more: dict[str, Any]
) -> Path:
    """Write what a back end was made of, and what it is worth, beside it.

    Args:
        file: the back end.
        kind: its kind, a part of the card's schema.
        index: of the archive.
        examples: what it was trained on.
        more: what this kind has beside that.

    Returns:
        Where the card is.
    """
    card = {
        "schema": f"diar.{kind}_card",
        "schema_version": "1.0",
        "program": f"diar {diar.__version__}",
        "encoder": {name: index.metadata.get(name) for name in _OF_STAGE_1},
        "speakers": len(np.unique(examples.speaker)),
        "recordings": len(np.unique(examples.recording)),
        **more,
        "recordings_left_out": len(examples.failed),
    }
    place = file.with_suffix(".json")
    text = json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    storage.write_bytes_atomic(storage.local_url(str(place)), text.encode())
    return place


def told_calibration(calibrated: Calibrated | None, score: str) -> str:
    """Return the line about a calibration; `score` is what is calibrated."""
    if calibrated is None:
        return (
            "not calibrated: ten speakers are needed, and twenty pairs of recordings of one speaker; what "
            "scores mean is then learned in the archive that is linked"
        )
    line, (same, other) = calibrated.calibration, calibrated.pairs
    sign = "+" if line.offset >= 0 else "−"
    return (
        f"calibrated on {same:,} pairs of recordings of one speaker and {other:,} of two: log-likelihood "
        f"ratio = {line.slope:.1f} · {score} {sign} {abs(line.offset):.1f}, Cllr {calibrated.cost:.3f} bits"
    )


def ended(examples: Examples) -> int:
    """Tell of recordings that are left out, and return the exit code."""
    tell_left_out(examples.failed)
    return EXIT_FAILURES if examples.failed else EXIT_OK
