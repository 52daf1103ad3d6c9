"""The speakers of one diarization under names: their turns, and what they are called inside the recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from diar.detect.diarize import DiarizedRecording
from diar.records import SpeakerTurns


def named_turns(
    recording_id: str, names: Sequence[str], found: DiarizedRecording, intervals: Sequence[np.ndarray]
) -> SpeakerTurns:
    """Return the turns of all speakers, ascending by start.

    Args:
        recording_id: of the recording.
        names: (K,) one a speaker.
        found: the diarization.
        intervals: K × (n, 2) seconds, `turns` or `exclusive` of `found`.
    """
    speakers = list(zip(names, found.channel.tolist(), strict=True))
    return SpeakerTurns.from_intervals(recording_id, speakers, intervals)


def local_labels(found: DiarizedRecording) -> list[str]:
    """Return names within the recording: a number, or the channel where channels are read apart."""
    if not found.channels:
        return [str(i + 1) for i in range(len(found.turns))]
    on_channel = Counter(found.channel.tolist())
    seen: Counter[int] = Counter()
    labels = []
    for channel in found.channel.tolist():
        seen[channel] += 1
        number = f"-{seen[channel]}" if on_channel[channel] > 1 else ""
        labels.append(f"channel{channel}{number}")
    return labels
