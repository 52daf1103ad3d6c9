"""One typed, frozen, validated configuration a command; `diar/arguments.py` fills it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from diar.errors import DiarError


class ConfigError(DiarError):
    """A flag, environment variable or YAML key that does not exist or has a bad value."""


def option(default: Any, group: str, help: str, *, result: bool = False, **constraints: Any) -> Any:
    """Declare one option.

    Args:
        default: its default, `...` where the user must give a value.
        group: the heading under which `--help` lists it.
        help: what it does, with its unit.
        result: whether it changes the numbers written (and so belongs to the fingerprint).
        constraints: pydantic's, such as `gt=0`.
    """
    return Field(
        default, description=help, json_schema_extra={"group": group, "result": result}, **constraints
    )


def describe_option(field: FieldInfo) -> dict[str, Any]:
    """What `option` noted about a field."""
    return cast(dict[str, Any], field.json_schema_extra)


class CommandConfig(BaseModel):
    """Base of the commands' configurations."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    environment_prefix: ClassVar[str]

    @classmethod
    def result_fields(cls) -> list[str]:
        """Names of the options that change the numbers written."""
        return [name for name, field in cls.model_fields.items() if describe_option(field)["result"]]


class ExtractConfig(CommandConfig):
    """Stage 1: an archive of audio files to speaker embeddings in Parquet."""

    environment_prefix: ClassVar[str] = "DIAR_EXTRACT_"

    input_dir: str = option(
        ..., "archive", "folder, glob, wav.scp, NeMo manifest (.jsonl) or fsspec URL of the audio"
    )
    output_dir: str = option(..., "archive", "where the Parquet files go; give it again to resume")
    channel: str = option(
        "mix", "archive", "'mix' averages all channels, a number takes one (0 = first)", result=True
    )
    min_duration: float = option(
        0.2, "archive", "seconds; a shorter recording is reported as too_short", result=True, ge=0.05
    )

    model: str | None = option(
        None, "model", "named weights (`diar models list`), Hugging Face id or path; default campplus-zh-en"
    )
    model_dir: str | None = option(
        None, "model", "WeSpeaker model directory: config.yaml + avg_model.pt (instead of --model)"
    )
    segmentation: str = option(
        "segmentation-3.0", "model", "named weights or directory of what finds speech and overlap, or none"
    )
    step: float = option(
        5.0, "model", "most seconds from one segmentation window to the next", result=True, ge=0.1, le=60
    )
    silence_margin: float = option(
        3.0,
        "model",
        "dB above the noise floor below which lasting silence is no speech; 0 = not looked at",
        result=True,
        ge=0,
        le=40,
    )
    window: float = option(
        1.0, "model", "seconds of a sliding window, which gives one embedding", result=True, ge=0.1, le=60
    )
    hop: float = option(0.5, "model", "seconds from one sliding window to the next", result=True, ge=0.05)
    chunk: float = option(
        30.0, "model", "seconds of audio the network sees at once in a long recording", result=True, ge=2
    )

    device: Literal["auto", "cuda", "cpu"] = option("auto", "machine", "auto = the GPUs if there are any")
    gpus: tuple[int, ...] | None = option(None, "machine", "GPU numbers, such as 0,1,2,3; default all")
    workers: int | None = option(
        None, "machine", "processes on the CPU; default 2 (GPUs: one process each)", ge=1, le=1024
    )
    port: int = option(0, "machine", "TCP port where the workers meet; 0 = any free one", ge=0, le=65535)
    threads: int | None = option(
        None, "machine", "CPU threads a worker computes with; default: cores / workers", ge=1
    )
    decode_threads: int = option(2, "machine", "threads a worker decodes with", ge=1, le=64)
    batch_seconds: float | None = option(
        None, "machine", "seconds of audio in one forward pass; default 240 on a GPU, 32 on the CPU", ge=1
    )
    shard_files: int = option(512, "machine", "most recordings in a shard, the unit of claiming", ge=1)
    shard_megabytes: float = option(256.0, "machine", "most audio in a shard, megabytes as stored", gt=0)
    max_restarts: int = option(3, "machine", "how often dead workers are started again", ge=0)

    overwrite: bool = option(False, "run", "remove an earlier extraction in output_dir and start again")
    retry_failed: bool = option(False, "run", "try the recordings again that failed in earlier runs")
    dry_run: bool = option(False, "run", "print what would be done (files, hours, shards, disk), do nothing")

    @field_validator("gpus", mode="before")
    @classmethod
    def _split_gpus(cls, value: Any) -> Any:
        return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("channel", mode="before")
    @classmethod
    def _check_channel(cls, value: Any) -> str:
        if str(value) == "mix" or str(value).isdigit():
            return str(value)
        raise ValueError("is 'mix' or a channel number counted from 0")

    @model_validator(mode="after")
    def _check_together(self) -> ExtractConfig:
        if self.model is not None and self.model_dir is not None:
            raise ValueError("give --model or --model_dir, not both")
        if self.gpus is not None and self.device == "cpu":
            raise ValueError("--gpus contradicts --device cpu")
        if self.gpus is not None and (not self.gpus or len(set(self.gpus)) < len(self.gpus)):
            raise ValueError(f"--gpus {','.join(map(str, self.gpus))} must name at least one GPU, each once")
        if self.hop > self.window:
            raise ValueError(
                f"hop ({self.hop} s) must not exceed window ({self.window} s): audio would be lost"
            )
        if self.window > self.chunk:
            raise ValueError(f"window ({self.window} s) must not exceed chunk ({self.chunk} s)")
        return self


class DetectConfig(CommandConfig):
    """Stage 2: stored embeddings to speaker boundaries, folders, JSON and plots. Needs no GPU."""

    environment_prefix: ClassVar[str] = "DIAR_DETECT_"

    embeddings_dir: str = option(..., "archive", "the output_dir of stage 1")
    output_dir: str = option(..., "archive", "where folders, JSON and PNG go")
    audio_dir: str | None = option(
        None, "archive", "where the audio lies now, if it moved since stage 1; default: where stage 1 read it"
    )
    sequence_by: Literal["archive", "folder"] = option(
        "archive",
        "archive",
        "archive = all files in one sequence; folder = each folder is a sequence of its own",
    )

    segment_size: int | Literal["auto"] = option(
        "auto", "boundaries", "files a speaker recorded in a row, about; auto = find it in the data"
    )
    boundary_window: int = option(
        10, "boundaries", "files around the expected boundary in which it is looked for", ge=0
    )
    use_gmm: bool = option(False, "boundaries", "model both sides by Gaussian mixtures instead of cosine")
    gmm_components: int = option(2, "boundaries", "Gaussians a side (fewer where files are few)", ge=1, le=64)
    penalty: float | None = option(
        None, "boundaries", "auto: evidence that one more boundary must bring; default from the data", gt=0
    )
    min_segment: int = option(4, "boundaries", "auto: fewest files in a row that make a segment", ge=1)

    link: bool = option(True, "speakers", "a speaker who returns gets the earlier number back")
    link_threshold: float | None = option(
        None, "speakers", "cosine between segments above which they are one speaker", gt=-1, lt=1
    )
    odd_threshold: float | None = option(
        None, "speakers", "probability above which a file is one of another voice; default 0.5", gt=0, lt=1
    )

    place: Literal["symlink", "hardlink", "copy", "none"] = option(
        "symlink", "output", "how audio files get into the speaker folders"
    )
    plot: bool = option(True, "output", "draw boundary_detection_visualization.png")
    debug: bool = option(False, "output", "also write every candidate's score")

    @field_validator("segment_size", mode="before")
    @classmethod
    def _check_segment_size(cls, value: Any) -> Any:
        if value == "auto":
            return value
        try:
            size = int(value)
        except (TypeError, ValueError):
            size = 0
        if size < 1 or str(size) != str(value):
            raise ValueError("is 'auto' or a number of files, at least 1")
        return size
