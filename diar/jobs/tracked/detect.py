"""What a tracking server gets of stage 2: figures, who made the embeddings, which files."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diar.formats.result_json import DetectionResult
    from diar.jobs.detect.turns_summary import TurnsSummary

# Files of a result itself; those of single recordings stay where they are
TRACKED_FILES = (
    "speaker_boundary_detection_result.json",
    "boundary_detection_visualization.png",
    "boundaries.csv",
    "files.csv",
    "all.rttm",
    "all.exclusive.rttm",
    "recordings.csv",
    "speakers.csv",
    "timelines_*.png",
    "index.html",
)
_OF_STAGE_1 = ("model", "model_sha256", "segmentation", "segmentation_sha256", "fingerprint")


def boundary_figures(result: DetectionResult) -> dict[str, float]:
    """Return the figures of `task=files`."""
    counts = {
        "recordings": result.recordings,
        "segments": len(result.segments),
        "boundaries": len(result.boundaries),
        "speakers": len(result.speakers),
        "odd_files": len(result.odd_files),
        "failures": len(result.not_used),
        "without_speech": len(result.no_speech),
    }
    return {f"files.{name}": float(count) for name, count in counts.items()}


def turn_figures(summary: TurnsSummary) -> dict[str, float]:
    """Return the figures of `task=turns`."""
    speech = summary.speech_seconds
    counts = {
        "recordings": summary.diarized,
        "people": summary.speakers,
        "turns": summary.turns,
        "failures": summary.failed,
        "without_speech": summary.silent.count,
        "speech_hours": speech / 3600,
        "overlap_share": summary.overlap_seconds / speech if speech else 0.0,
    }
    if summary.estimates:
        counts["estimated_der"] = statistics.median(share for share, _ in summary.estimates)
    return {f"turns.{name}": float(count) for name, count in counts.items()}


def stage_1_parameters(embeddings_dir: str) -> dict[str, Any]:
    """Return which networks made the embeddings, and the fingerprint of all that decides their numbers."""
    from diar.store.layout import Layout
    from diar.store.reader import read_config

    metadata = read_config(Layout(embeddings_dir))["metadata"]
    return {f"of.{name}": metadata[name] for name in _OF_STAGE_1 if name in metadata}
