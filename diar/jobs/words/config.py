"""Options of `diar words`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.align.assignment import AssignmentSettings
from diar.asr.addresses import is_endpoint
from diar.formats.words.table import FORMATS
from diar.jobs.long_runs import LongRunConfig, void_options
from diar.options.base import option, refuse_void
from diar.options.keys import KEY_HELP
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share

_OF_ENDPOINTS = ("asr_model", "asr_key_file", "asr_timeout")
_OF_ENGINES = ("beam_size", "asr_precision", "device", "gpus", "threads")  # that compute here
_OF_RECOGNISERS = ("asr", "enhance", "aec", "beam_size", "asr_precision", "batch", *_OF_ENDPOINTS)
DEFAULT_FORMATS = ("json", "txt", "srt")


class WordsConfig(LongRunConfig):
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
    speaker_change: float = option(
        AssignmentSettings.change,
        "archive",
        "seconds of disagreement with the turns that a change of speaker costs within a clause; 0 = speakers "
        "word by word, 1.5 = nearly sentence by sentence",
        ge=0,
        le=60,
    )
    names: str | None = option(
        None,
        "archive",
        "what people are called in the files of words and on the page: the names.json that the page saves; "
        "not needed where the turns have these names already",
    )

    asr: str = option(
        "whisper-tiny.en",
        "recogniser",
        "named weights (`diar models list`); Hugging Face id or path of a Whisper for CTranslate2, or of a "
        "Whisper or CTC model of transformers; address of a server that speaks OpenAI's protocol, such as "
        "http://host:8000/v1",
        result=True,
    )
    asr_model: str = option(
        "whisper-1", "recogniser", "of a server: the model that it recognises with", result=True
    )
    asr_key_file: str | None = option(
        None,
        "recogniser",
        "of a server: a file with its key; default: the variable DIAR_ASR_KEY, if it is set",
    )
    asr_timeout: float = option(
        120.0, "recogniser", "of a server: seconds for an answer, before it is asked again", gt=0, le=3600
    )
    words: str | None = option(
        None,
        "recogniser",
        "words that exist already, in place of a recogniser: a file that names its recordings (CTM, STM, "
        "SegLST) or a folder with a file a recording (also WhisperX or Whisper JSON, VTT)",
        result=True,
    )
    enhance: str = option(
        "none",
        "recogniser",
        "denoiser before the recogniser, gtcrn or deepfilternet3; docs/enhancement.md says where it helps",
        result=True,
    )
    aec: bool = option(
        False,
        "recogniser",
        "take from each side of a two-channel call the echo of the other, before it is recognised",
        result=True,
    )
    language: str | None = option(
        None,
        "recogniser",
        "of all recordings, such as en; default: found in each recording, of --words as their files say",
        result=True,
    )
    beam_size: int = option(
        5, "recogniser", "hypotheses that Whisper follows; 1 is fastest", result=True, ge=1, le=20
    )
    asr_precision: str | None = option(
        None,
        "recogniser",
        "CTranslate2's compute_type, default int8 on CPUs, float16 on GPUs; of transformers float32, float16 "
        "or bfloat16, default float32 on CPUs, float16 on GPUs",
        result=True,
    )
    batch: int | None = option(
        None,
        "recogniser",
        "half minutes that are recognised at once, of a server requests; default as before, else 4, on a GPU "
        "by its memory up to 32",
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
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "run", SHARE_HELP)
    dry_run: bool = option(False, "run", "print what would be done (recordings, hours of speech), do nothing")

    @field_validator("gpus", "format", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @model_validator(mode="after")
    def _check_join(self) -> WordsConfig:
        if self.join and (self.overwrite or self.retry_failed):
            raise ValueError("--overwrite and --retry_failed undo what others do: run once without --join")
        return self

    @model_validator(mode="after")
    def _check_together(self) -> WordsConfig:
        unknown = [name for name in self.format if name not in FORMATS]
        if unknown:
            raise ValueError(f"--format {unknown[0]}: formats are {', '.join(FORMATS)}")
        refuse_void(self, self._void())
        if self.gpus is not None and self.device == "cpu":
            raise ValueError("--gpus contradicts --device cpu")
        return self

    def _void(self) -> dict[str, str]:
        """Return the options that do nothing, each with the reason."""
        void = void_options(self, self.embeddings_dir)
        if self.words is not None:
            void |= dict.fromkeys(_OF_RECOGNISERS, "with --words: nothing is recognised")
        elif is_endpoint(self.asr):
            void |= dict.fromkeys(_OF_ENGINES, "with a server")
        else:
            void |= dict.fromkeys(_OF_ENDPOINTS, "without a server (--asr http://…)")
        if self.result is None:
            void["names"] = "without --result, whose people are named"
            void |= dict.fromkeys(("format", "speaker_change"), "without --result, where the files go")
        return void

    @property
    def recognises_here(self) -> bool:
        """Whether this machine recognises: no server does, and the words are not there already."""
        return self.words is None and not is_endpoint(self.asr)
