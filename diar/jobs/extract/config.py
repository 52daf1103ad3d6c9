"""Options of stage 1."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.embedding.settings import DEFAULT_MAX_HOURS, MIN_DURATION, EmbedSettings, SpeechSettings
from diar.jobs.long_runs import LongRunConfig
from diar.models.defaults import DEFAULT_SECOND_SEGMENTATION, DEFAULT_SEGMENTATION
from diar.options.base import option
from diar.options.keys import KEY_HELP
from diar.options.places import refuse_same_place
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


class ExtractConfig(LongRunConfig):
    """Stage 1: an archive of audio files to speaker embeddings in Parquet."""

    environment_prefix: ClassVar[str] = "DIAR_EXTRACT_"

    input_dir: str = option(
        ..., "archive", "folder, glob, wav.scp, NeMo manifest (.jsonl) or fsspec URL of the audio"
    )
    output_dir: str = option(..., "archive", "where the Parquet files go; give it again to resume")
    protocols: tuple[str, ...] = option(
        (),
        "archive",
        "of URLs that a list may name (https,s3), besides local files and the list's own protocol",
        metavar="NAME,NAME",
    )
    max_hours: float = option(
        DEFAULT_MAX_HOURS,
        "archive",
        "hours of a recording; a longer one is reported as too_long, however small its file",
        gt=0,
        le=1000,
    )
    channel: str = option(
        "auto",
        "archive",
        "mix = mean of all channels; a number = that one (0 = first); each = every channel by itself, as the "
        "sides of a call; auto = mix where that is safe, else the better channel or each",
        result=True,
    )
    track: str = option(
        "auto",
        "archive",
        "which audio track of a video: a number (0 = first) or a language (eng, en); auto = the default one, "
        "else the one with speech",
        result=True,
    )
    layout: Literal["mirror", "packed"] = option(
        "mirror",
        "archive",
        "mirror: a Parquet file a recording; packed: one a folder and shard, for very many short recordings "
        "(an interrupted shard starts again)",
    )
    min_duration: float = option(
        MIN_DURATION, "archive", "seconds; a shorter recording is reported as too_short", result=True, ge=0.05
    )

    model: str | None = option(
        None,
        "model",
        "named weights (`diar models list`), Hugging Face id, path, or models:/NAME@ALIAS of MLflow; default "
        "campplus-zh-en",
    )
    model_dir: str | None = option(
        None, "model", "WeSpeaker model directory: config.yaml + avg_model.pt (instead of --model)"
    )
    pipeline: str | None = option(
        None,
        "model",
        "in place of --model and --segmentation: community-1, a Hugging Face id, or a folder in the layout "
        "of pyannote/speaker-diarization-community-1; stage 2 then finds turns as that pipeline does",
    )
    pipeline_sees: Literal["seg_windows", "chunks"] = option(
        "seg_windows",
        "model",
        "what its encoder sees at once: each seg_window by itself, as in pyannote.audio; or chunks, which is "
        "several times as fast, by options of stage 1 as for other networks, with slightly other embeddings",
    )
    segmentation: str = option(
        DEFAULT_SEGMENTATION,
        "model",
        "named weights, directory or Hugging Face id of what finds speech and overlap, or none; "
        "docs/weights.md tells which networks",
    )
    speech: Literal["auto", "segmentation", "doubt", "both"] = option(
        "auto",
        "model",
        "whose opinion says where speech is: segmentation: that network's; doubt: also another's, where "
        "there is sound but the first hears nobody; both: always both, which takes much longer; auto = "
        "doubt, but segmentation with networks that are no PyanNet",
        result=True,
    )
    second_segmentation: str = option(
        DEFAULT_SECOND_SEGMENTATION,
        "model",
        "the other network, used by --speech doubt and both unless --segmentation is none; name or directory",
    )
    step: float | None = option(
        None,
        "model",
        "most seconds from one seg_window to the next; default 5, or half of a seg_window that is longer "
        "than 10 s",
        result=True,
        ge=0.1,
        le=60,
    )
    silence_margin: float = option(
        SpeechSettings.silence_margin,
        "model",
        "dB above the noise floor, on average over the voice's bands, below which lasting silence is no "
        "speech; 0 = not looked at",
        result=True,
        ge=0,
        le=40,
    )
    enhance: str = option(
        "none",
        "model",
        "denoiser before the networks, gtcrn or deepfilternet3; docs/enhancement.md says where it helps",
    )
    enhance_for: Literal["both", "segmentation", "embedding"] = option(
        "both", "model", "which networks hear what the denoiser makes"
    )
    aec: bool = option(
        False,
        "model",
        "take from each side of a two-channel call the echo of the other (where --channel reads them apart)",
    )
    window: float = option(
        EmbedSettings.window,
        "model",
        "seconds of a sliding window, which gives one embedding",
        result=True,
        ge=0.1,
        le=60,
    )
    hop: float = option(
        EmbedSettings.hop, "model", "seconds from one sliding window to the next", result=True, ge=0.05
    )
    chunk: float = option(
        EmbedSettings.chunk,
        "model",
        "seconds of audio the network sees at once in a long recording",
        result=True,
        ge=2,
    )

    precision: Literal["auto", "fp32", "tf32", "mixed", "bf16", "fp16"] = option(
        "auto",
        "model",
        "of the networks; mixed = bf16 in the trunk's 2-D convolutions and in segmentation; auto = fp16 on "
        "GPUs, on CPUs mixed or fp32",
        result=True,
    )

    backend: Literal["torch", "onnx"] = option(
        "torch",
        "model",
        "what computes the encoder's trunk; onnx = ONNX Runtime, in fp32 (docs/export.md)",
    )
    provider: Literal["cpu", "cuda", "tensorrt"] = option(
        "cpu", "model", "what ONNX Runtime computes with; cuda and tensorrt need onnxruntime-gpu"
    )

    device: Literal["auto", "cuda", "cpu"] = option("auto", "machine", "auto = the GPUs if there are any")
    gpus: tuple[int, ...] | None = option(None, "machine", "GPU numbers, such as 0,1,2,3; default all")
    workers: int | None = option(
        None,
        "machine",
        "processes; default up to 6 a GPU, by cores and memory; on the CPU one a core; only one for about a "
        "minute of audio or less",
        ge=1,
        le=1024,
    )
    port: int = option(0, "machine", "TCP port where the workers meet; 0 = any free one", ge=0, le=65535)
    threads: int | None = option(
        None, "machine", "CPU threads a worker computes with; default: cores / workers", ge=1
    )
    decode_threads: int | None = option(
        None, "machine", "recordings a worker decodes at once; default 2, on GPUs up to 8", ge=1, le=64
    )
    decode_in: Literal["auto", "threads", "processes"] = option(
        "auto",
        "machine",
        "what a worker decodes in: processes beside a GPU (MP3 needs them), else threads",
    )
    batch_seconds: float | None = option(
        None, "machine", "seconds of audio in one forward pass; default 32, on a GPU what 6 GB hold", ge=1
    )
    shard_files: int = option(512, "machine", "most recordings in a shard, the unit of claiming", ge=1)
    shard_megabytes: float = option(256.0, "machine", "most audio in a shard, megabytes as stored", gt=0)
    max_restarts: int = option(3, "machine", "how often dead workers are started again, all together", ge=0)

    overwrite: bool = option(False, "run", "remove an earlier extraction in output_dir and start again")
    retry_failed: bool = option(False, "run", "try the recordings again that failed in earlier runs")
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "run", SHARE_HELP)
    profile: bool = option(
        False, "run", "trace some forward passes to OUT/_extraction/profile (open in ui.perfetto.dev)"
    )
    dry_run: bool = option(False, "run", "print what would be done (files, hours, shards, disk), do nothing")

    @property
    def asked_precision(self) -> str:
        """Return `precision`, and what the backend has where that is left to it."""
        return "fp32" if self.backend == "onnx" and self.precision == "auto" else self.precision

    @field_validator("gpus", mode="before")
    @classmethod
    def _split_gpus(cls, value: Any) -> Any:
        return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("protocols", mode="before")
    @classmethod
    def _split_protocols(cls, value: Any) -> Any:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("channel", mode="before")
    @classmethod
    def _check_channel(cls, value: Any) -> str:
        if str(value) in ("auto", "mix", "each") or str(value).isdecimal():
            return str(value)
        raise ValueError("is 'auto', 'mix', 'each' or a channel number counted from 0")

    @field_validator("track", mode="before")
    @classmethod
    def _check_track(cls, value: Any) -> str:
        if str(value) == "auto" or str(value).isdecimal() or _LANGUAGE.fullmatch(str(value)):
            return str(value)
        raise ValueError("is 'auto', a number counted from 0 or a language such as eng")

    @model_validator(mode="after")
    def _check_together(self) -> ExtractConfig:
        refuse_same_place(self.output_dir, {"input_dir": self.input_dir})
        if self.join and self.overwrite:
            raise ValueError("--overwrite would remove what others have done: run it once without --join")
        if self.model is not None and self.model_dir is not None:
            raise ValueError("give --model or --model_dir, not both")
        self._check_pipeline()
        if self.backend == "onnx" and self.precision not in ("auto", "fp32"):
            raise ValueError("--backend onnx computes in fp32: leave --precision out")
        if self.backend == "torch" and self.provider != "cpu":
            raise ValueError(f"--provider {self.provider} is for --backend onnx")
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

    def _check_pipeline(self) -> None:
        if self.pipeline is None:
            return
        named = {"model": self.model, "model_dir": self.model_dir}
        given = [name for name, value in named.items() if value is not None]
        given += ["segmentation"] * (self.segmentation != DEFAULT_SEGMENTATION)
        if given:
            raise ValueError(f"--pipeline brings its own networks: leave --{', --'.join(given)} out")
        if self.backend == "onnx":
            raise ValueError("--backend onnx has no pipelines: leave it or --pipeline out")
