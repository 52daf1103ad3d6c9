"""The table of boundaries between files, one row a boundary: `boundaries.csv`."""

from __future__ import annotations

import csv
import io

from diar.formats.result_json import LOW_CONFIDENCE, DetectionResult
from diar.formats.spreadsheet import cell

BOUNDARIES_NAME = "boundaries.csv"
_COLUMNS = (
    "position", "before", "after", "speaker_before", "speaker_after", "confidence", "doubtful", "score",
    "expected", "method", "fallback",
)  # fmt: skip


def to_csv(result: DetectionResult) -> str:
    """Format the boundaries in the archive's order; `doubtful` is `yes` or `no`, unknown fields are empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    position = {segment.start: i for i, segment in enumerate(result.segments)}
    for boundary in result.boundaries:
        right = position[boundary.index]
        writer.writerow(
            {
                "position": boundary.index,
                "before": cell(boundary.before),
                "after": cell(boundary.after),
                "speaker_before": cell(result.segments[right - 1].speaker),
                "speaker_after": cell(result.segments[right].speaker),
                "confidence": f"{boundary.confidence:.4f}",
                "doubtful": "yes" if boundary.confidence < LOW_CONFIDENCE else "no",
                "score": f"{boundary.score:.4f}",
                "expected": "" if boundary.expected is None else boundary.expected,
                "method": boundary.method,
                "fallback": boundary.fallback or "",
            }
        )
    return text.getvalue()
