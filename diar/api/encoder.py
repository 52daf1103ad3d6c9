"""Networks that a caller opens once and uses for any number of recordings."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar, cast, get_args

from diar.api.errors import ArgumentError
from diar.embedding.chunks import ChunkSettings
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.networks import (
    describe_encoder,
    describe_segmentation,
    make_detector,
    speech_settings,
)
from diar.embedding.settings import (
    AskedSpeech,
    EmbedSettings,
    SpeechSettings,
)
from diar.embedding.speech.detector import SpeechDetector
from diar.models import open as networks
from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SECOND_SEGMENTATION, DEFAULT_SEGMENTATION
from diar.models.device import device_kind, rank_device
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.inference import PRECISIONS, Precision, best_precision, check_precision
from diar.models.segmentation.base import SegmentationModel
from diar.models.weights.terms import untold_terms

Device = Any  # a torch.device; this room does without PyTorch
OpenedT = TypeVar("OpenedT")


class Encoder:
    """A speaker encoder on one device; several threads may use it at once. `open_encoder` makes one.

    Attributes:
        name: as it was opened.
        dimension: numbers in an embedding.
        sample_rate: Hz that it works at; audio of any other rate is resampled.
        device: such as `cpu` or `cuda:0`.
        precision: of the networks.
    """

    def __init__(self, model: SpeakerModel, device: Device, precision: Precision) -> None:
        self.name = model.name
        self.dimension: int = model.encoder.embedding_dim
        self.sample_rate: int = model.fbank.sample_rate
        self.device = str(device)
        self.precision = precision
        self._model, self._device = model, device
        lengths = EmbedSettings()
        settings = ChunkSettings.from_seconds(self.sample_rate, lengths.chunk, lengths.window, lengths.hop)
        self._embedder = TrackEmbedder(model, None, settings, device, precision=precision)

    def __repr__(self) -> str:
        return f"Encoder({self.name!r}, dimension={self.dimension}, device={self.device!r})"

    def embedder(self, segmentation: Segmentation | None) -> TrackEmbedder:
        """Return what makes tracks of chunks, with the speech that `segmentation` finds.

        Raises:
            DiarError: the two work at different sample rates.
        """
        if segmentation is None:
            return self._embedder
        networks.check_rates(self._model, segmentation.first)
        return self._embedder.with_detector(segmentation.detector(self._device, self.precision))

    def metadata(self, segmentation: Segmentation | None) -> dict[str, str]:
        """Return who made the embeddings, as stage 1 stores it with them."""
        told = {} if segmentation is None else describe_segmentation(segmentation.first)
        return {**describe_encoder(self._model), **told}


class Segmentation:
    """Networks that find speech, overlap and local speakers; threads may share one.

    `open_segmentation` makes one. It works on the device of the encoder that it is used with.

    Attributes:
        name: as it was opened.
        sample_rate: Hz that it works at.
        settings: how speech is found.
    """

    def __init__(
        self, first: SegmentationModel, second: SegmentationModel | None, settings: SpeechSettings
    ) -> None:
        self.name = first.name
        self.sample_rate: int = first.sample_rate
        self.settings = settings
        self.first = first
        self._second = second
        self._detectors: dict[tuple[str, Precision], SpeechDetector] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Segmentation({self.name!r}, speech={self.settings.speech!r})"

    def detector(self, device: Device, precision: Precision) -> SpeechDetector:
        """Return the networks on a device, which get there once."""
        key = str(device), precision
        with self._lock:
            if key not in self._detectors:
                first, second = copy.deepcopy((self.first, self._second))  # what is placed is moved
                self._detectors[key] = make_detector(first, second, self.settings, device, precision)
            return self._detectors[key]


def open_encoder(name: str = DEFAULT_ENCODER, *, device: Any = "auto", precision: str = "auto") -> Encoder:
    """Open a speaker encoder.

    Args:
        name: named weights (`diar models list`), a WeSpeaker model directory, or a Hugging Face id.
        device: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`, or a `torch.device`.
        precision: of the networks: `fp32`, `tf32`, `mixed`, `bf16`, `fp16`; `auto` is the device's fastest
            that keeps the embeddings.

    Raises:
        ArgumentError: a device or precision that does not exist.
        DiarError: the weights cannot be found or opened, or the device cannot be used so.

    >>> import diar
    >>> encoder = diar.open_encoder("campplus-zh-en", device="cpu")
    >>> encoder.dimension, encoder.sample_rate
    (192, 16000)
    """
    if precision != "auto" and precision not in PRECISIONS:
        raise ArgumentError(f"`precision={precision}` is not one of auto, {', '.join(PRECISIONS)}")
    place = find_device(device)
    chosen = best_precision(place) if precision == "auto" else cast(Precision, precision)
    check_precision(chosen, place)
    return Encoder(networks.open_encoder(str(name)), place, chosen)


def open_segmentation(
    name: str = DEFAULT_SEGMENTATION,
    *,
    speech: AskedSpeech = "auto",
    second_segmentation: str = DEFAULT_SECOND_SEGMENTATION,
    step: float | None = None,
    silence_margin: float = SpeechSettings.silence_margin,
) -> Segmentation:
    """Open the networks that find speech, overlap and local speakers.

    Args:
        name: named weights, a model directory, or a Hugging Face id.
        speech: whose opinion says where speech is. `segmentation`: that network's; `doubt`: also the second
            one's, where there is sound but the first hears nobody; `both`: always both, which takes longer;
            `auto`: `doubt`, with networks that are no PyanNet `segmentation`.
        second_segmentation: the other network, used unless `speech` is `segmentation`.
        step: most seconds from the start of one seg_window to the next; None = 5, or half of a seg_window
            that is longer than 10 s.
        silence_margin: dB above the noise floor below which lasting silence is no speech; 0 = not looked at.

    Weights under terms that not everybody can keep are opened with a warning that says so, once.

    Raises:
        ArgumentError: a value that does not exist.
        DiarError: the weights cannot be found or opened, or the two networks do not fit each other.
    """
    if speech not in get_args(AskedSpeech):
        raise ArgumentError(f"`speech={speech}` is not one of {', '.join(get_args(AskedSpeech))}")
    if not (step is None or step > 0) or not silence_margin >= 0:
        raise ArgumentError(f"`step={step}` must be above 0, `silence_margin={silence_margin}` not below 0")
    first, other = networks.open_segmentation(str(name)), None
    if (terms := untold_terms(first)) is not None:
        warnings.warn(f"licence: {terms}", stacklevel=2)
    settings = speech_settings(first, step, silence_margin, speech)
    if settings.speech != "segmentation":
        other = networks.open_segmentation(str(second_segmentation))
        networks.check_frames(first, other)
    return Segmentation(first, other, settings)


def chosen_encoder(encoder: Encoder | None) -> Encoder:
    """Return `encoder`, or the default one, opened once a process."""
    if encoder is None:
        return _default_encoder.get()
    if not isinstance(encoder, Encoder):
        raise ArgumentError(
            f"`encoder` is a {type(encoder).__name__}; give what diar.open_encoder returns, or nothing"
        )
    return encoder


def chosen_segmentation(segmentation: Segmentation | Literal["none"] | None) -> Segmentation | None:
    """Return `segmentation`, the default one for None, opened once a process, or None for `none`."""
    if segmentation is None:
        return _default_segmentation.get()
    if isinstance(segmentation, str) and segmentation == "none":
        return None
    if not isinstance(segmentation, Segmentation):
        raise ArgumentError(
            f"`segmentation` is a {type(segmentation).__name__}; give what diar.open_segmentation returns, "
            "'none' or nothing"
        )
    return segmentation


def find_device(device: Any) -> Device:
    """Return a device that exists; raises ArgumentError, and what `device_kind` does."""
    requested, colon, number = str(device).partition(":")
    if requested not in ("auto", "cpu", "cuda") or (
        colon and (requested != "cuda" or not number.isdecimal())
    ):
        raise ArgumentError(f"`device={device}` is not auto, cpu, cuda or cuda:NUMBER")
    gpus = (int(number),) if colon else None
    return rank_device(device_kind(requested, gpus), gpus, 0)


class Once(Generic[OpenedT]):
    """Something that the first thread to ask for it opens, and all others share."""

    def __init__(self, make: Callable[[], OpenedT]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._opened: OpenedT | None = None

    def get(self) -> OpenedT:
        """Return it; open it if nobody has."""
        with self._lock:
            if self._opened is None:
                self._opened = self._make()
            return self._opened


_default_encoder = Once(open_encoder)
_default_segmentation = Once(open_segmentation)
