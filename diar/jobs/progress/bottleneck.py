"""Where the time of a run went: shares of the loop that feeds the device, what bounds it, what helps."""

from __future__ import annotations

from collections.abc import Mapping

from diar.jobs.progress.counters import Counters

# Counters of the loop; the rest of its time is "other"
_LOOP = {
    "compute": "compute_seconds",
    "wait_decode": "decode_wait_seconds",
    "wait_write": "write_wait_seconds",
}
_LOOP_WORDS = {"wait_decode": "decoding", "wait_write": "writing", "other": "the loop itself"}
_STEP_WORDS = {
    "embed": "the encoder",
    "enhance": "the denoiser",
    "segment": "the segmentation model",
    "fbank": "fbank",
    "rows": "making rows",
}
_REMEDIES = {
    "start-up": "it is paid once a run, however much audio follows",
    "decoding": "raise --decode_threads (there are cores / workers of them), or bring the audio nearer",
    "writing": "choose a faster or nearer --output_dir",
    "the loop itself": "--profile shows what it does; very short recordings cost more than their audio",
    "the encoder": "take more GPUs (without one: more cores), or a smaller --model",
    "the denoiser": "take more --workers: it computes on the CPU",
    "the segmentation model": "take more GPUs (without one: more cores), or a longer --step",
    "fbank": "take more GPUs (without one: more cores)",
    "making rows": "take more workers; a longer --hop makes fewer rows",
}


def loop_shares(counters: Counters) -> dict[str, float]:
    """Return shares of the working time: `compute`, `wait_decode`, `wait_write`, `other`.

    All are 0 before any work.

    Args:
        counters: of one rank or summed over several.
    """
    seconds: dict[str, float] = {name: getattr(counters, counter) for name, counter in _LOOP.items()}
    counted = sum(seconds.values())
    whole = max(counters.working_seconds, counted)
    seconds["other"] = whole - counted
    return {name: part / whole if whole else 0.0 for name, part in seconds.items()}


def describe_loop(shares: Mapping[str, float]) -> str:
    """Return `computing 93 %, waiting for decode 5 %, for writes 2 %`, and the rest if there is any."""
    text = (
        f"computing {shares['compute']:.0%}, waiting for decode {shares['wait_decode']:.0%}, "
        f"for writes {shares['wait_write']:.0%}"
    )
    if shares["other"] >= 0.005:
        text += f", other {shares['other']:.0%}"
    return text.replace("%", " %")


def find_bound(counters: Counters, startup_seconds: float) -> str:
    """Name what took most of the time: `start-up`, `decoding`, `writing`, `the encoder`, …

    Args:
        counters: of one rank or summed over several.
        startup_seconds: of the same ranks, summed in the same way.
    """
    seconds = {name: share * counters.working_seconds for name, share in loop_shares(counters).items()}
    largest = max(seconds, key=lambda name: seconds[name])
    if startup_seconds >= seconds[largest]:
        return "start-up"
    if largest != "compute":
        return _LOOP_WORDS[largest]
    steps = counters.steps()
    return _STEP_WORDS[max(_STEP_WORDS, key=lambda step: steps[step])]


def remedy(bound: str) -> str:
    """Say what to do about an answer of `find_bound`."""
    return _REMEDIES[bound]
