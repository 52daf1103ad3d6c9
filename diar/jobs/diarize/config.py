"""Options of `diar diarize`: its own, and those of both stages."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

from pydantic import field_validator, model_validator

from diar import storage
from diar.archive.protocols import protocols_of
from diar.jobs.detect.config import DetectConfig, options_of_task
from diar.jobs.extract.config import ExtractConfig
from diar.options.base import CommandConfig, option
from diar.options.places import refuse_same_place
from diar.options.tracking import TRACKING_OPTIONS
from diar.options.watching import METRICS_OPTIONS

StageT = TypeVar("StageT", bound=CommandConfig)

EMBEDDINGS_NAME = "embeddings"  # stage 1's output, in the result


class DiarizeConfig(ExtractConfig, DetectConfig):
    """Audio to turns: both stages, one result."""

    environment_prefix: ClassVar[str] = "DIAR_DIARIZE_"
    withheld: ClassVar[frozenset[str]] = frozenset(
        {
            *("input_dir", "embeddings_dir", "task", "audio_dir", "dry_run", "join", "lease"),
            *options_of_task("files"),
            *TRACKING_OPTIONS,
            *METRICS_OPTIONS,
        }
    )
    in_help: ClassVar[frozenset[str] | None] = frozenset(
        [
            *("audio", "output_dir", "num_speakers", "min_speakers", "max_speakers", "preset", "exclusive"),
            *("speaker_audio", "reference", "link", "known_speakers", "plot", "labels", "channel", "track"),
            *("model", "pipeline", "precision", "device", "gpus", "workers", "overwrite", "retry_failed"),
            *("share", "encryption_key"),
        ]
    )

    audio: tuple[str, ...] = option(
        ...,
        "archive",
        "audio files, folders, globs, URLs or lists (wav.scp, NeMo manifest); several are one archive",
        positional=True,
        min_length=1,
    )
    output_dir: str = option(
        ..., "archive", "folder of the result; give it again to resume", short="-o", metavar="OUT"
    )
    known_speakers: str | None = option(
        None,
        "speakers",
        "folder with audio of people, NAME/*.wav, or stage 1's output for it; whoever is found gets the name",
        metavar="PATH",
    )
    input_dir: str = option("", "archive", "taken from AUDIO")
    embeddings_dir: str = option("", "archive", f"taken from OUT: OUT/{EMBEDDINGS_NAME}")
    task: Literal["files", "turns", "all"] = option("turns", "archive", "is turns")

    @field_validator("audio", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_segmentation(self) -> DiarizeConfig:
        if self.segmentation == "none":
            raise ValueError("--segmentation none finds no turns; leave it out")
        return self

    @model_validator(mode="after")
    def _check_output(self) -> DiarizeConfig:
        for one in self.audio:
            refuse_same_place(self.output_dir, {"audio": one})
        return self

    def stage_1(self, input_dir: str, output_dir: str) -> ExtractConfig:
        """Return the options of stage 1 for that archive."""
        # Several sources become a list of ours, which names them all
        asked = frozenset[str]().union(*map(protocols_of, self.audio))
        protocols = tuple(sorted({*self.protocols, *asked}))
        return self._stage(ExtractConfig, input_dir=input_dir, output_dir=output_dir, protocols=protocols)

    def stage_2(self, known_speakers: str | None) -> DetectConfig:
        """Return the options of stage 2, with people enrolled in that output of stage 1."""
        return self._stage(DetectConfig, embeddings_dir=self.embeddings, known_speakers=known_speakers)

    @property
    def embeddings(self) -> str:
        """Return where stage 1's output lies."""
        return storage.join(self.output_dir, EMBEDDINGS_NAME)

    def _stage(self, kind: type[StageT], **own: Any) -> StageT:
        """Return a stage's options: those that were given, and those whose default is another one here."""
        mine, others = type(self).model_fields, kind.model_fields
        given = {name for name in others if mine[name].default != others[name].default}
        given |= self.model_fields_set & others.keys()
        return kind(**{**{name: getattr(self, name) for name in given}, **own})
