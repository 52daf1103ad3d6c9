"""What a consumer must know of an exported network, as text."""

from __future__ import annotations

import json
from dataclasses import asdict

from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.powerset import Powerset
from diar.models.weights.named_models import NAMED_MODELS

_UNKNOWN = "not stated: see where the weights come from"


def encoder_metadata(model: SpeakerModel) -> dict[str, str]:
    """Return an encoder's: the front end as JSON, the embedding's size, where masks lie, in seconds."""
    fbank = model.fbank
    return {
        "kind": "speaker encoder",
        **_origin(model.name, model.sha256),
        "architecture": model.architecture,
        "sample_rate": str(fbank.sample_rate),
        "front_end": json.dumps({"type": fbank.kind, **asdict(fbank), "mean_normalised": True}),
        "embedding_dim": str(model.encoder.embedding_dim),
        "embedding_normalised": "false",
        "first_mask_centre_seconds": repr(fbank.first_centre / fbank.sample_rate),
        "mask_step_seconds": repr(fbank.frame_shift / fbank.sample_rate),
        "trunk_stride": str(model.encoder.frame_stride),
    }


def segmentation_metadata(model: SegmentationModel) -> dict[str, str]:
    """Return a segmentation network's: its classes, where its frames lie, what decides."""
    network = model.network
    powerset = isinstance(network.powerset, Powerset)
    classes = network.powerset.classes if isinstance(network.powerset, Powerset) else None
    return {
        "kind": "segmentation model",
        **_origin(model.name, model.sha256),
        "architecture": "PyanNet",
        "sample_rate": str(model.sample_rate),
        "front_end": json.dumps({"type": "waveform", "scale": 1.0}),
        "seg_window_seconds": repr(model.settings.seg_window_seconds),
        "local_speakers": str(network.powerset.num_speakers),
        "classes": json.dumps(classes),  # the speakers of each; null: a class a speaker
        "decision": "largest class" if powerset else "probability above 0.5",
        "first_frame_centre_seconds": repr(network.frames.first_center),
        "frame_step_seconds": repr(network.frames.step_seconds),
        "lead_seconds": json.dumps(network.lead_seconds),  # of log_probs; `speakers` are in line with audio
    }


def _origin(name: str, sha256: str) -> dict[str, str]:
    licences = {model.sha256: model.licence for model in NAMED_MODELS.values()}
    return {"model": name, "sha256": sha256, "licence": licences.get(sha256, _UNKNOWN)}
