"""Options of `diar words`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.formats.words.table import FORMATS
from diar.options.base import CommandConfig, option

_OF_RECOGNISERS = ("asr", "language", "beam_size", "asr_precision", "batch")
DEFAULT_FORMATS = ("json", "txt", "srt")


class WordsConfig(CommandConfig):
    """Words with speakers: recognition once (GPU or CPU), speakers and formats at will."""

    environment_prefix: ClassVar[str] = "DIAR_WORDS_"

    embeddings_dir: str = option(..., "archive", "the output_dir of stage 1; the words are stored in it")
    result: str | None = option(
        None,
        "archive",
        "the output_dir of stage 2 (`detect --task turns`), whose speakers the words get and where the files "
        "go; default: only recognise",
    )
    audio_dir: str | None = option(
        None, "archive", "where the audio lies now, if it moved since stage 1; default: where stage 1 read it"
    )
    format: tuple[str, ...] = option(
        DEFAULT_FORMATS, "archive", "files a recording gets, such as json,srt: " + ", ".join(FORMATS)
    )

    asr: str = option(
        "whisper-tiny.en",
        "recogniser",
        "named weights (`diar models list`), Hugging Face id or path of a CTranslate2 Whisper",
        result=True,
    )
    words: str | None = option(
        None,
        "recogniser",
        "words that exist already, in place of a recogniser: a file that names its recordings (CTM, STM, "
        "SegLST) or a folder with a file a recording (also WhisperX or Whisper JSON, VTT)",
        result=True,
    )
    language: str | None = option(
        None, "recogniser", "of all recordings, such as en; default: found in each recording", result=True
    )
    beam_size: int = option(
        5, "recogniser", "hypotheses that are followed; 1 is fastest", result=True, ge=1, le=20
    )
    asr_precision: str | None = option(
        None, "recogniser", "CTranslate2's compute_type; default int8 on CPUs, float16 on GPUs", result=True
    )
    batch: int | None = option(
        None,
        "recogniser",
        "half minutes that are recognised at once; default 4, on a GPU 16",
        result=True,
        ge=1,
        le=256,
    )

    device: Literal["auto", "cuda", "cpu"] = option("auto", "machine", "auto = the GPUs if there are any")
    gpus: tuple[int, ...] | None = option(None, "machine", "GPU numbers, such as 0,1,2,3; default all")
    workers: int | None = option(
        None, "machine", "processes; default one a GPU, on the CPU one a core", ge=1, le=1024
    )
    threads: int | None = option(
        None, "machine", "CPU threads a worker computes with; default: cores / workers", ge=1
    )
    port: int = option(0, "machine", "TCP port where the workers meet; 0 = any free one", ge=0, le=65535)
    max_restarts: int = option(3, "machine", "how often dead workers are started again, all together", ge=0)

    overwrite: bool = option(False, "run", "remove the words of an earlier recogniser and start again")
    retry_failed: bool = option(False, "run", "try the recordings again that failed in earlier runs")
    dry_run: bool = option(False, "run", "print what would be done (recordings, hours of speech), do nothing")

    @field_validator("gpus", "format", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @model_validator(mode="after")
    def _check_together(self) -> WordsConfig:
        unknown = [name for name in self.format if name not in FORMATS]
        if unknown:
            raise ValueError(f"--format {unknown[0]}: formats are {', '.join(FORMATS)}")
        void = [name for name in _OF_RECOGNISERS if name in self.model_fields_set]
        if self.words is not None and void:
            raise ValueError(f"--{void[0]} has no effect with --words: nothing is recognised")
        if self.result is None and "format" in self.model_fields_set:
            raise ValueError("--format has no effect without --result, where the files go")
        if self.gpus is not None and self.device == "cpu":
            raise ValueError("--gpus contradicts --device cpu")
        return self
