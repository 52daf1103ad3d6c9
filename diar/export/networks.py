"""A network by name as a part to export, with what its file says of it, and a comparison with torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diar.export.comparison import (
    Agreement,
    Network,
    compare_encoder,
    compare_segmentation,
    made_up_cases,
)
from diar.export.graph.parts import Part, PartName, encoder_part, segmentation_part
from diar.export.metadata import encoder_metadata, segmentation_metadata
from diar.models.encoders.wespeaker import WEIGHTS_FILE, SpeakerModel
from diar.models.open import open_encoder, open_segmentation
from diar.models.segmentation.base import SegmentationModel
from diar.models.weights.hub import NAMED_MODELS

_CASES = {1: 5.371, 3: 2.113}  # batch → seconds that a file is compared on


@dataclass(frozen=True)
class Exported:
    """A network that is being exported."""

    model: SpeakerModel | SegmentationModel
    part: Part

    @property
    def is_encoder(self) -> bool:
        """Whether it makes embeddings."""
        return isinstance(self.model, SpeakerModel)

    @property
    def file_stem(self) -> str:
        """Return how its files begin: the name without folders, and the part unless it is the whole."""
        place = Path(self.model.name).expanduser()
        name = (place.resolve() if place.is_dir() else place).name.replace("@", "-")  # "." has a name, too
        return name if self.part.name == "waveform" else f"{name}.{self.part.name}"

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return (
            self.model.fbank.sample_rate if isinstance(self.model, SpeakerModel) else self.model.sample_rate
        )

    def metadata(self) -> dict[str, str]:
        """Return what the file says of the network."""
        if isinstance(self.model, SpeakerModel):
            return encoder_metadata(self.model)
        return segmentation_metadata(self.model)

    def compare(self, open_file: Callable[[], Network]) -> Agreement | None:
        """Return how near a file of the whole way is to torch, on noise; None for a half."""
        if self.part.name != "waveform":
            return None
        network, waveforms = open_file(), made_up_cases(self.sample_rate, _CASES)
        if isinstance(self.model, SegmentationModel):
            return compare_segmentation(self.model, network, waveforms)
        return compare_encoder(self.model, network, [(one, self._masks(one)) for one in waveforms])

    def _masks(self, waveform: np.ndarray) -> np.ndarray:
        """Return (batch, 2, frames): all, and every second quarter of a second."""
        frames = self.part.lengths(waveform.shape[1])["frames"]
        masks = np.ones((len(waveform), 2, frames), np.float32)
        masks[:, 1] = np.arange(frames) // 25 % 2
        return masks


def open_network(name: str, part: PartName) -> Exported:
    """Open a network by a name, a directory or a Hugging Face id.

    Raises:
        DiarError: it cannot be found, fetched or opened, cannot be exported, or has no such part.
    """
    if _is_segmentation(name):
        segmentation = open_segmentation(name)
        return Exported(segmentation, segmentation_part(segmentation, part))
    encoder = open_encoder(name)
    return Exported(encoder, encoder_part(encoder, part))


def _is_segmentation(name: str) -> bool:
    if name in NAMED_MODELS:
        return NAMED_MODELS[name].kind == "segmentation model"
    folder = Path(name).expanduser()
    return folder.is_dir() and not (folder / WEIGHTS_FILE).is_file()
