"""Names, kinds and meanings of the metrics of jobs and scores (of `diar serve`: service/metrics.py).

One scheme: `diar_`, the subject, the unit (seconds, bytes, ratio); counters end in `_total`. Labels are few
and bounded: no recording, speaker, person or path is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Sample = tuple[tuple[str, ...], float]  # values of labels, value


@dataclass(frozen=True)
class Family:
    """One metric.

    Attributes:
        name: without `_total`.
        kind: `counter` where it only grows within a run.
        told: what it counts, for its HELP line and docs/metrics.md.
        labels: their names.
    """

    name: str
    kind: Literal["counter", "gauge"]
    told: str
    labels: tuple[str, ...] = ()


_RANK = ("stage", "rank")

RUN_START = Family(
    "diar_run_start_time_seconds", "gauge", "when the command began, since the epoch", ("stage",)
)
RUN_RECORDINGS = Family("diar_run_recordings", "gauge", "recordings of the whole job", ("stage",))
RUN_DONE = Family(
    "diar_run_recordings_done", "gauge", "of them done, in earlier runs too, failed ones included", ("stage",)
)
RUN_PROGRESS = Family(
    "diar_run_progress_ratio", "gauge", "share of the job that is done, by bytes", ("stage",)
)
RUN_FINISHED = Family(
    "diar_run_recordings_finished", "counter", "recordings done in this run, failed ones included", _RANK
)
RUN_FAILED = Family("diar_run_recordings_failed", "counter", "recordings that failed in this run", _RANK)
RUN_AUDIO = Family("diar_run_audio_seconds", "counter", "audio that was processed in this run", _RANK)
RUN_BYTES = Family("diar_run_bytes", "counter", "bytes of audio files that were processed in this run", _RANK)
RUN_WORKING = Family("diar_run_working_seconds", "counter", "time since the first claim of work", _RANK)
RUN_DEVICE = Family("diar_run_device_seconds", "counter", "time that the device has computed", _RANK)
RUN_LOOP = Family(
    "diar_run_loop_seconds",
    "counter",
    "the loop that feeds the device: compute, wait_decode, wait_write",
    (*_RANK, "part"),
)
RUN_STEPS = Family("diar_run_step_seconds", "counter", "time by step, of several threads", (*_RANK, "step"))
RUN_UPDATED = Family(
    "diar_run_updated_time_seconds", "gauge", "when a rank last told of itself, since the epoch", _RANK
)
RUN_END = Family(
    "diar_run_end_time_seconds", "gauge", "when the command ended (metrics_file only)", ("stage",)
)
RUN_EXIT = Family("diar_run_exit_code", "gauge", "its exit code (metrics_file only)", ("stage",))

RUN = (
    *(RUN_START, RUN_RECORDINGS, RUN_DONE, RUN_PROGRESS, RUN_FINISHED, RUN_FAILED, RUN_AUDIO, RUN_BYTES),
    *(RUN_WORKING, RUN_DEVICE, RUN_LOOP, RUN_STEPS, RUN_UPDATED, RUN_END, RUN_EXIT),
)

GPU_USE = Family("diar_gpu_utilization", "gauge", "share of the last moment that a GPU worked", ("gpu",))
GPU_USED = Family("diar_gpu_memory_used_bytes", "gauge", "memory in use, by all processes", ("gpu",))
GPU_TOTAL = Family("diar_gpu_memory_bytes", "gauge", "memory of a GPU", ("gpu",))
GPUS = (GPU_USE, GPU_USED, GPU_TOTAL)

RESULT = (
    Family("diar_result_recordings", "gauge", "recordings of a result of stage 2, by outcome", ("outcome",)),
    Family("diar_result_turns", "gauge", "turns of a result"),
    Family("diar_result_people", "gauge", "people of a result, over all recordings"),
    Family("diar_result_speech_seconds", "gauge", "speech of a result"),
    Family("diar_result_overlap_seconds", "gauge", "of it, while several talk"),
    Family(
        "diar_result_estimated_der", "gauge", "median over recordings of the DER that is estimated, a share"
    ),
    Family("diar_result_segments", "gauge", "segments of files, each of one speaker (task files)"),
    Family("diar_result_boundaries", "gauge", "boundaries between segments (task files)"),
)

_SET = ("set",)
SCORE = (
    Family("diar_der", "gauge", "diarization error rate of all recordings together", _SET),
    Family("diar_jer", "gauge", "Jaccard error rate", _SET),
    Family("diar_miss", "gauge", "missed speech, as a share of reference speech", _SET),
    Family("diar_fa", "gauge", "false alarm, as a share of reference speech", _SET),
    Family("diar_confusion", "gauge", "speech of the wrong speaker, as a share of reference speech", _SET),
    Family("diar_overlap_coverage", "gauge", "share of the overlapped speech that was found", _SET),
    Family(
        "diar_speakers_estimate_error",
        "gauge",
        "mean error of the number of speakers of a recording",
        _SET,
    ),
    Family(
        "diar_recording_der",
        "gauge",
        "quantiles of the error rates of single recordings (0.5, 0.95, 1.0)",
        (*_SET, "quantile"),
    ),
    Family("diar_score_recordings", "gauge", "recordings that were scored", _SET),
    Family("diar_score_speech_seconds", "gauge", "reference speech that was scored", _SET),
    Family("diar_score_time_seconds", "gauge", "when that was scored, since the epoch", _SET),
)
WORDS_SCORE = (
    Family("diar_wer", "gauge", "word error rate of all recordings together", _SET),
    Family("diar_cpwer", "gauge", "word error rate with speakers, by the best permutation", _SET),
    Family("diar_wder", "gauge", "share of words with the wrong speaker", _SET),
    Family("diar_words_score_words", "gauge", "words of the reference", _SET),
    Family("diar_words_score_time_seconds", "gauge", "when that was scored, since the epoch", _SET),
)


def named(families: Iterable[Family], values: dict[str, list[Sample]]) -> list[tuple[Family, list[Sample]]]:
    """Return the families that have values, with these.

    Raises:
        KeyError: a name that no family has.
    """
    by_name = {family.name: family for family in families}
    return [(by_name[name], samples) for name, samples in values.items()]
