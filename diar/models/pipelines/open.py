"""Open a pipeline folder of pyannote.audio: a path, `community-1`, or a Hugging Face id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from diar.models.encoders.base import ModelError
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.open import check_rates
from diar.models.pipelines.config import CONFIG_FILE, PipelineConfig, read_pipeline_config
from diar.models.pipelines.networks import open_embedding, open_segmentation
from diar.models.segmentation.pyannet import SegmentationModel
from diar.models.weights import hub

HUB_IDS = {"community-1": "pyannote/speaker-diarization-community-1"}  # names for pipelines of the Hub
_LICENCES = {"pyannote/speaker-diarization-community-1": "CC BY 4.0"}
SEGMENTATION, EMBEDDING = "segmentation/pytorch_model.bin", "embedding/pytorch_model.bin"
TRANSFORM, PLDA = "plda/xvec_transform.npz", "plda/plda.npz"
_FILES = (CONFIG_FILE, SEGMENTATION, EMBEDDING, TRANSFORM, PLDA)
_CARD = "README.md"  # of the Hub; its first lines name the licence
_LICENCE_LINE = re.compile(r"^licen[cs]e:\s*['\"]?([^'\"\n]+)", re.MULTILINE)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline: its networks, and where its PLDA model lies."""

    name: str
    segmentation: SegmentationModel
    encoder: SpeakerModel
    config: PipelineConfig
    transform_file: Path  # mean1, mean2, lda
    plda_file: Path  # mu, tr, psi
    licence: str  # empty where nothing tells

    @property
    def step_samples(self) -> int:
        """Samples from one seg_window to the next."""
        seconds = self.config.segmentation_step * self.segmentation.settings.seg_window_seconds
        return round(seconds * self.segmentation.sample_rate)


def open_pipeline(name_or_path: str) -> Pipeline:
    """Open a pipeline; what was given becomes its name and that of its networks.

    Raises:
        DiarError: it cannot be found or fetched, a file is missing, or is not what it should be.
    """
    wanted = HUB_IDS.get(name_or_path, name_or_path)
    folder = hub.resolve(name_or_path if Path(name_or_path).is_dir() else wanted, "pipeline")
    _check_files(folder)
    config = read_pipeline_config(folder)
    segmentation = open_segmentation(folder / SEGMENTATION, name_or_path)
    encoder = open_embedding(folder / EMBEDDING, name_or_path)
    check_rates(encoder, segmentation)
    licence = _LICENCES.get(wanted.partition("@")[0]) or _licence_of(folder)
    files = folder / TRANSFORM, folder / PLDA
    return Pipeline(name_or_path, segmentation, encoder, config, *files, licence)


def _check_files(folder: Path) -> None:
    """Raise ModelError unless all files are there."""
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"`pipeline={folder}` has no {', '.join(missing)}; a folder as pyannote.audio publishes it has "
            f"{', '.join(_FILES)}"
        )


def _licence_of(folder: Path) -> str:
    """Return the licence that the folder's card names."""
    card = folder / _CARD
    found = _LICENCE_LINE.search(card.read_text("utf-8", "replace")[:4096]) if card.is_file() else None
    return found[1].strip() if found else ""
