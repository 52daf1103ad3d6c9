"""Options of stage 2."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from diar.detect.presets import with_numbers
from diar.options.base import ConfigError, describe_option, option, refuse_void, spelled
from diar.options.counts import count_or_auto
from diar.options.keys import KEY_HELP
from diar.options.places import refuse_same_place
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share
from diar.options.tracking import TrackedConfig
from diar.options.watching import WatchedConfig

# Options that only one task reads: those of a group, and single ones
_TASK_OF_GROUP = {"boundaries": "files", "turns": "turns"}
_TASK_OF_OPTION = {
    **dict.fromkeys(("sequence_by", "odd_threshold", "place", "debug"), "files"),
    **dict.fromkeys(("link_probability", "known_speakers", "names", "labels", "processes"), "turns"),
}


class DetectConfig(WatchedConfig, TrackedConfig):
    """Stage 2: stored embeddings to speaker boundaries and turns, with JSON and plots. Needs no GPU."""

    environment_prefix: ClassVar[str] = "DIAR_DETECT_"

    embeddings_dir: str = option(..., "archive", "the output_dir of stage 1")
    output_dir: str = option(..., "archive", "where folders, JSON and PNG go")
    task: Literal["files", "turns", "all"] = option(
        "files",
        "archive",
        "files = where one speaker's files end and the next one's begin; "
        "turns = who speaks when inside every recording; all = both",
    )
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

    clustering: Literal["auto", "iterative", "pipeline", "ahc", "spectral", "vbx"] = option(
        "auto",
        "turns",
        "how the voices of a recording are told apart; pipeline = as stage 1's --pipeline has it, turns "
        "included; auto = pipeline where stage 1 had one, else iterative, the most accurate of the others",
    )
    clustering_threshold: float | None = option(
        None, "turns", "iterative: cosine above which two clusters are one speaker; default 0.6", gt=0, lt=1
    )
    num_speakers: int | Literal["auto"] | None = option(
        None,
        "turns",
        "speakers in every recording, if known; default: what a manifest says of each, else found in the "
        "data; auto = found in the data whatever a manifest says",
    )
    min_speakers: int | None = option(None, "turns", "fewest speakers in a recording", ge=1)
    max_speakers: int | None = option(None, "turns", "most speakers in a recording", ge=1)
    preset: Literal["auto", "general", "telephone"] = option(
        "auto",
        "turns",
        "thresholds of speech and durations of turns, as the table below says; auto: telephone where the "
        "spectrum says so, else general; the next six override its numbers",
    )
    onset: float | None = option(
        None, "turns", with_numbers("expected number of voices at which speech begins", "onset"), gt=0, lt=1
    )
    offset: float | None = option(
        None, "turns", with_numbers("… and below which it ends", "offset"), gt=0, lt=1
    )
    overlap: float | None = option(
        None,
        "turns",
        with_numbers("expected number of voices from which a second one speaks, 3 = never", "overlap"),
        gt=1,
        le=3,
    )
    min_duration_on: float | None = option(
        None, "turns", with_numbers("seconds; shorter turns are dropped", "min_duration_on"), ge=0, le=10
    )
    min_duration_off: float | None = option(
        None,
        "turns",
        with_numbers("seconds; shorter pauses within a turn are closed", "min_duration_off"),
        ge=0,
        le=10,
    )
    smoothing: float | None = option(
        None,
        "turns",
        with_numbers("milliseconds over which speech activity is averaged", "smoothing"),
        ge=0,
        le=10_000,
    )
    resegmentation: Literal["none", "viterbi"] = option(
        "none", "turns", "viterbi = a change of speaker needs evidence beyond one window"
    )
    exclusive: bool = option(
        False, "turns", "also write turns without overlap, as alignment with a transcript needs them"
    )
    quality: bool = option(
        True,
        "turns",
        "estimate how wrong each recording's turns may be",
        off="do not estimate how wrong turns may be, which takes longer than to find them",
    )
    speaker_audio: Literal["none", "clips", "joined"] = option(
        "none", "turns", "audio of each speaker without other voices: a file a turn, or one file a speaker"
    )
    reference: str | None = option(
        None,
        "turns",
        "RTTM file or folder of true turns, drawn above the found ones in timeline.png; goes before a "
        "manifest's rttm_filepath",
    )
    times: Literal["part", "file"] = option(
        "part",
        "turns",
        "of a recording that is a part of a file (a manifest's offset): from the part's start, or the file's",
    )
    rttm_id: Literal["path", "stem"] = option(
        "path",
        "turns",
        "what RTTM files call a recording: its path in the archive, or stem = the file's name without suffix",
    )
    link: bool = option(
        True,
        "speakers",
        "one speaker, one name: across segments, and across recordings",
        off="do not look for the same speaker in several segments or recordings: each gets a name of its own",
    )
    link_threshold: float | None = option(
        None,
        "speakers",
        "cosine above which two segments or two recordings' speakers are one person; default from the data",
        gt=-1,
        lt=1,
    )
    link_probability: float = option(
        0.5, "speakers", "turns: probability from which speakers of two recordings are one", gt=0, lt=1
    )
    plda: str | None = option(
        None,
        "speakers",
        "PLDA of the same encoder's embeddings (`diar train plda`, Kaldi format or .npz): by it segments and "
        "recordings' speakers are compared, and vbx clusters; default their cosine",
    )
    plda_transform: str | None = option(
        None, "speakers", "means and LDA applied before the PLDA, .h5 or .npz, where --plda lacks them"
    )
    score_norm: str | None = option(
        None, "speakers", "cohort by which these comparisons are normalised (`diar train norm`), .npz"
    )
    known_speakers: str | None = option(
        None,
        "speakers",
        "turns: stage 1's output for enrolment audio NAME/*.wav; whoever is found there gets the name",
    )
    names: str | None = option(
        None,
        "speakers",
        "turns: what people are called in all outputs: the names.json that the page of a result saves",
    )
    odd_threshold: float | None = option(
        None, "speakers", "probability above which a file is one of another voice; default 0.5", gt=0, lt=1
    )
    place: Literal["symlink", "hardlink", "copy", "none"] = option(
        "symlink", "output", "how audio files get into the speaker folders"
    )
    plot: bool = option(
        True,
        "output",
        "draw boundary_detection_visualization.png, timeline.png",
        off="draw no pictures: neither boundary_detection_visualization.png nor timeline.png",
    )
    timelines: Literal["auto", "all", "none"] = option(
        "auto",
        "turns",
        "which recordings get a timeline.png; auto = all of up to 3, else those of 30 s and more with "
        "several voices, or with a reference; the others stand together on sheets, timelines_001.png, …",
    )
    labels: bool = option(
        True,
        "output",
        "turns: also as Audacity labels and Praat TextGrid",
        off="turns: write no Audacity labels and no Praat TextGrid",
    )
    processes: int | None = option(
        None, "output", "turns: processes at work; default all cores, fewer below an hour of audio", ge=1
    )
    manifests: tuple[Literal["lhotse", "nemo", "kaldi"], ...] = option(
        (),
        "output",
        "also write manifests for other toolkits: lhotse, nemo, kaldi, or several (lhotse,kaldi)",
        metavar="KIND,KIND",
    )
    encryption_key: str | None = option(None, "output", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "output", SHARE_HELP)
    debug: bool = option(False, "output", "also write every candidate's score")

    def check_sources(self, sources: Mapping[str, Collection[str]]) -> None:
        """Refuse options that only the other task reads.

        A YAML file may hold options of both tasks, because several runs share it, if anything names the task.

        Raises:
            ConfigError: an option of a task that is not run.
        """
        if self.task == "all":
            return
        named = any("task" in names for names in sources.values())
        other = "turns" if self.task == "files" else "files"
        void = options_of_task(other)
        for source, names in sources.items():
            found = [spelled(DetectConfig, name, source) for name in names if name in void]
            if found and not (source == "YAML" and named):
                raise ConfigError(
                    f"{', '.join(found)} (from {source}): read by --task {other} and all only, and this "
                    f"is --task {self.task}"
                    + ("" if named else ", the default; say which of the two is meant")
                )

    @field_validator("manifests", mode="before")
    @classmethod
    def _split_manifests(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("segment_size", "num_speakers", mode="before")
    @classmethod
    def _check_count(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name == "num_speakers":
            return value
        return count_or_auto(value, "files" if info.field_name == "segment_size" else "speakers")

    @model_validator(mode="after")
    def _check_places(self) -> DetectConfig:
        embeddings = {"embeddings_dir": self.embeddings_dir, "known_speakers": self.known_speakers}
        refuse_same_place(self.output_dir, embeddings, inside=True)
        refuse_same_place(self.output_dir, {"audio_dir": self.audio_dir, "reference": self.reference})
        return self

    @model_validator(mode="after")
    def _check_turns(self) -> DetectConfig:
        bounds = (self.min_speakers, self.max_speakers)
        if isinstance(self.num_speakers, int) and bounds != (None, None):
            raise ValueError("give --num_speakers, or --min_speakers and --max_speakers, not both")
        if None not in bounds and (self.min_speakers or 0) > (self.max_speakers or 0):
            raise ValueError(f"--min_speakers {bounds[0]} exceeds --max_speakers {bounds[1]}")
        if self.known_speakers is not None and not self.link:
            raise ValueError("--known_speakers names linked speakers; leave --no_link away")
        if self.clustering == "vbx" and self.task != "files" and self.plda is None:
            raise ValueError("--clustering vbx needs --plda, a PLDA model of the same encoder's embeddings")
        refuse_void(self, self._void())
        return self

    def _void(self) -> dict[str, str]:
        """Return the options that do nothing, each with the reason."""
        void = {} if self.plda else {"plda_transform": "without --plda"}
        if self.clustering not in ("auto", "iterative"):
            void["clustering_threshold"] = f"with --clustering {self.clustering}"
        if self.task != "files" and not self.link:
            void["link_probability"] = "with --no_link"
        if not self.link and self.task == "turns":  # boundaries between files are judged by it all the same
            void["link_threshold"] = "with --no_link"
        if self.task != "turns" and not self.use_gmm:
            void["gmm_components"] = "without --use_gmm"
        if self.task != "turns" and self.segment_size == "auto":
            void |= dict.fromkeys(("boundary_window", "use_gmm", "gmm_components"), "without --segment_size")
        return void


def options_of_task(task: str) -> frozenset[str]:
    """Return the options that only `task`, `files` or `turns`, reads."""
    groups = {name: describe_option(field)["group"] for name, field in DetectConfig.model_fields.items()}
    single = {name: _TASK_OF_OPTION.get(name, _TASK_OF_GROUP.get(group)) for name, group in groups.items()}
    return frozenset(name for name, only in single.items() if only == task)
