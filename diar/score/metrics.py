"""A diarization score as metrics for Prometheus (docs/metrics.md)."""

from __future__ import annotations

from diar.connectors.prometheus.families import SCORE
from diar.connectors.prometheus.scoring import now, quantiles, write_scores
from diar.score.der import DiarizationScore


def write_metrics(score: DiarizationScore, path: str, name: str) -> None:
    """Write the rates of all recordings together, and quantiles of single ones.

    Args:
        score: to be written.
        path: of the file.
        name: of the set.

    Raises:
        DiarError: prometheus-client is missing.
        OSError: the file cannot be written.
    """
    pooled = score.pooled

    def share(seconds: float) -> float | None:
        return seconds / pooled.speech if pooled.speech > 0 else None

    rates = [one.amounts.der for one in score.recordings if one.amounts.der is not None]
    figures = {
        "diar_der": pooled.der,
        "diar_jer": pooled.jer,
        "diar_miss": share(pooled.miss),
        "diar_fa": share(pooled.false_alarm),
        "diar_confusion": share(pooled.confusion),
        "diar_overlap_coverage": pooled.overlap_recall,
        "diar_speakers_estimate_error": pooled.mean_count_error,
        "diar_score_recordings": float(pooled.recordings),
        "diar_score_speech_seconds": pooled.speech,
        "diar_score_time_seconds": now(),
    }
    write_scores(path, SCORE, name, {**figures, **quantiles("diar_recording_der", rates)})
