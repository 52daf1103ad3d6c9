"""What the page says of how and when a result was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from diar.formats.html.elements import folded, pairs_table, paragraph
from diar.formats.result_json import DetectionResult
from diar.formats.turns_json import RecordingTurns


def clock_time(path: Path) -> str:
    """Return when a file was written, in words."""
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def hours(seconds: float) -> str:
    """Return an amount of audio in seconds, minutes or hours."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def settings(heading: str, source: RecordingTurns | DetectionResult | str) -> str:
    """Return options, thresholds and model of a run as HTML, folded; or why they are not known."""
    if isinstance(source, str):
        return paragraph(f"{heading}: not known, {source}")
    made_by = {"program": source.program, **source.model}
    if isinstance(source, RecordingTurns):
        made_by["clustering"] = source.clustering.method
    tables = [
        pairs_table("Options", _texts(source.parameters)),
        pairs_table("Thresholds", _texts(source.thresholds)),
        pairs_table("Program and model", _texts(made_by)),
    ]
    return folded(f"{heading}: options, thresholds, model", "".join(tables))


def _texts(values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return ((name, _text(value)) for name, value in values.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
