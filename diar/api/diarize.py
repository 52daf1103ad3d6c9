"""Who speaks when in one recording: audio → `Diarization`."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from diar.api.asked import PresetName, checked
from diar.api.audio import Audio
from diar.api.diarization import Diarization, of_voice
from diar.api.encoder import Encoder, Segmentation
from diar.api.enhancement import NONE, EnhanceFor
from diar.api.errors import ArgumentError
from diar.api.voice import Voice, embed
from diar.archive.audio_tracks import AUTO
from diar.archive.channels import choice


def diarize(
    audio: Audio | Voice,
    *,
    num_speakers: int | None = None,
    min_speakers: int | None = None,
    max_speakers: int | None = None,
    preset: PresetName = "auto",
    sample_rate: int | None = None,
    encoder: Encoder | None = None,
    segmentation: Segmentation | None = None,
    channel: int | str = choice.AUTO,
    track: int | str = AUTO,
    enhance: str = NONE,
    enhance_for: EnhanceFor = "both",
    aec: bool = False,
) -> Diarization:
    """Find who speaks when in one recording, as the two commands do on that file alone.

    Args:
        audio: as for `diar.embed`; or what `diar.embed` returned, which saves embedding it again.
        num_speakers: how many speak, if that is known.
        min_speakers, max_speakers: fewest and most that may speak.
        preset: thresholds for this kind of recording: `general`, `telephone`; `auto`: as the spectrum says.
        sample_rate, …, aec: as for `diar.embed`; segmentation is never `none`, and channel `auto` reads the
            sides of a two-channel call apart.

    Raises:
        ArgumentError: an argument that cannot be used.
        AudioError: audio that gives no embedding; `kind` says why.
        DiarError: the default networks cannot be opened.

    >>> import diar
    >>> list(diar.diarize("meeting.wav", num_speakers=2).speakers)
    ['speaker_0001', 'speaker_0002']
    """
    asked = checked(num_speakers, min_speakers, max_speakers, preset)
    if isinstance(segmentation, str):
        raise ArgumentError("`segmentation=none` finds no turns: leave it out")
    reading: dict[str, Any] = {"sample_rate": sample_rate, "encoder": encoder, "segmentation": segmentation}
    reading |= {"channel": channel, "track": track, "aec": aec}
    reading |= {"enhance": enhance, "enhance_for": enhance_for}
    if isinstance(audio, Voice):
        _refuse_with_voice(reading)
        return of_voice(audio, asked)
    return of_voice(embed(audio, **reading), asked)


def _refuse_with_voice(reading: Mapping[str, Any]) -> None:
    """Refuse what decided a `Voice` when it was embedded and decides nothing now."""
    defaults = signature(embed).parameters
    late = [name for name, value in reading.items() if value != defaults[name].default]
    if late:
        names = ", ".join(f"`{name}`" for name in late)
        raise ArgumentError(f"`audio` is embedded already: give {names} to `diar.embed`")
