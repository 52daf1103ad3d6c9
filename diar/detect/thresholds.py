"""Every number that decided the turns, by name, for a result."""

from __future__ import annotations

from dataclasses import asdict

from diar.detect.clustering.choose import ClusteringSettings
from diar.detect.diarize import DiarizeSettings

_DURATIONS = ("min_duration_off", "min_duration_on")


def thresholds(settings: DiarizeSettings) -> dict[str, float]:
    """Return the numbers; those of narrow-band recordings only where they differ."""
    if settings.pipeline is not None:
        names = ("threshold", "fa", "fb")
        numbers = {f"clustering_{name}": getattr(settings.pipeline, name) for name in names}
        return numbers | {name: getattr(settings.pipeline, name) for name in _DURATIONS}
    chosen = {**asdict(settings.preset.reconstruction), **asdict(settings.preset.turns)}
    if settings.narrow_preset != settings.preset:
        chosen["narrow_band_onset"] = settings.narrow_preset.reconstruction.onset
        chosen["narrow_band_offset"] = settings.narrow_preset.reconstruction.offset
    chosen |= {
        f"clustering_{name}": value for name, value in _clustering_numbers(settings.clustering).items()
    }
    return {name: float(value) for name, value in chosen.items() if value is not None}


def _clustering_numbers(clustering: ClusteringSettings) -> dict[str, float]:
    if clustering.used == "iterative":
        numbers = asdict(clustering.iterative)
        parts = numbers.pop("two_voices")
        return numbers | {f"two_voices_{name}": value for name, value in parts.items()}
    if clustering.method == "vbx":
        names = ("vbx_fa", "vbx_fb", "vbx_loop_probability")
        return {name.removeprefix("vbx_"): getattr(clustering, name) for name in names}
    names = ("least_share", "least_seconds", "enough_seconds")
    numbers = {name: getattr(clustering.iterative, name) for name in names}
    if clustering.method == "ahc":
        numbers["threshold"] = clustering.ahc_threshold
    return numbers
