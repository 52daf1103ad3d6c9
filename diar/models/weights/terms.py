"""Terms of weights that not everybody may use: told once to each user of this machine."""

from __future__ import annotations

from diar.models.segmentation.base import SegmentationModel
from diar.models.weights.hub import cache_dir

_FOLDER = "terms-told"  # in the cache: an empty file for each of the weights whose terms were told


def untold_terms(model: SegmentationModel | None) -> str | None:
    """Return what users of a model must know of its licence, unless it was returned before.

    Where the cache cannot be written, it is returned each time.
    """
    if model is None or model.terms is None:
        return None
    told = cache_dir() / _FOLDER / model.sha256
    if told.exists():
        return None
    try:
        told.parent.mkdir(parents=True, exist_ok=True)
        told.touch()
    except OSError:
        return f"{model.name}: {model.terms}"
    return f"{model.name}: {model.terms} (said once)"
