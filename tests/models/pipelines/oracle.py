"""pyannote.audio's own pipeline, step by step, where pyannote.audio is installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from tests.models.pipelines.pipeline_folder import RATE

_NOT_TOLD = {"PYANNOTE_METRICS_ENABLED": "0"}  # it would tell its authors of each run


class Steps(NamedTuple):
    """What pyannote.audio computes of one recording; w seg_windows, n embeddings that VBx is run on."""

    decided: np.ndarray  # (w, frames, speakers) bool
    embeddings: np.ndarray  # (w, speakers, D) float32
    features: np.ndarray  # (n, E) of PLDA
    psi: np.ndarray  # (E,)
    initial: np.ndarray  # (n,) clusters before VBx
    responsibilities: np.ndarray  # (n, K)
    priors: np.ndarray  # (K,)
    centroids: np.ndarray  # (speakers, D)
    clusters: np.ndarray  # (w, speakers), negative where a local speaker has none
    turns: np.ndarray  # (turns, 3) start, end, speaker
    exclusive: np.ndarray  # likewise, without overlap


def centring_bias(steps: Steps) -> np.ndarray:
    """Return a bias (D,) of the encoder that puts the embeddings of `steps` around zero.

    Embeddings of made-up weights are nearly one otherwise, and to cluster them shows nothing.
    """
    alone = steps.decided & (steps.decided.sum(axis=2, keepdims=True) == 1)
    trains = alone.sum(axis=1) >= 0.2 * steps.decided.shape[1]
    return np.asarray(-np.median(steps.embeddings[trains], axis=0))


def run_pyannote(folder: Path, samples: np.ndarray, **speakers: int) -> Steps:
    """Run the pipeline of `folder` on `samples`; `speakers` are pyannote's options.

    NumPy orders equal numbers by the processor's kind; here they keep their order.
    """
    with patch.dict(os.environ, _NOT_TOLD):
        return _run(folder, samples, **speakers)


def _run(folder: Path, samples: np.ndarray, **speakers: int) -> Steps:
    from pyannote.audio import Pipeline  # type: ignore[import-not-found]
    from pyannote.audio.pipelines import clustering  # type: ignore[import-not-found]

    seen: dict[str, Any] = {}
    argsort, vbx = np.argsort, clustering.cluster_vbx

    def cluster_vbx(initial: np.ndarray, features: np.ndarray, psi: np.ndarray, **options: Any) -> Any:
        seen.update(initial=initial, features=features, psi=psi)
        seen["responsibilities"], seen["priors"] = vbx(initial, features, psi, **options)
        return seen["responsibilities"], seen["priors"]

    def hook(step: str, artifact: Any, **_: Any) -> None:
        seen.setdefault(step, []).append(artifact)

    pipeline = Pipeline.from_pretrained(folder)
    cluster = pipeline.clustering.__call__

    def clustered(**given: Any) -> Any:
        seen["hard"], soft, seen["centroids"] = cluster(**given)
        seen["hard"] = seen["hard"].copy()
        return seen["hard"].copy(), soft, seen["centroids"]

    def stable(values: np.ndarray, axis: int = -1, **_: Any) -> np.ndarray:
        return argsort(values, axis=axis, kind="stable")

    audio = {"waveform": torch.from_numpy(samples)[None], "sample_rate": RATE, "uri": "audio"}
    with (
        patch.object(clustering, "cluster_vbx", cluster_vbx),
        patch.object(type(pipeline.clustering), "__call__", lambda _, **given: clustered(**given)),
        patch.object(np, "argsort", stable),
    ):
        output = pipeline(audio, hook=hook, **speakers)
    decided = seen["segmentation"][-1].data
    clusters = seen["hard"]
    clusters[decided.sum(axis=1) == 0] = -2
    return Steps(
        decided=decided > 0,
        embeddings=seen["embeddings"][-1],
        features=seen["features"],
        psi=seen["psi"],
        initial=seen["initial"],
        responsibilities=seen["responsibilities"],
        priors=seen["priors"],
        centroids=seen["centroids"],
        clusters=clusters,
        turns=_turns(output.speaker_diarization),
        exclusive=_turns(output.exclusive_speaker_diarization),
    )


def _turns(annotation: Any) -> np.ndarray:
    labels = {label: number for number, label in enumerate(annotation.labels())}
    rows = [
        (segment.start, segment.end, labels[label])
        for segment, _, label in annotation.itertracks(yield_label=True)
    ]
    return np.array(sorted(rows), np.float64).reshape(-1, 3)
