"""What is said of a recording, from its row."""

from dataclasses import replace

import pytest

from diar.records import RecordingRow
from diar.store.remarks import file_remarks, no_speech, why_silent

ROW = RecordingRow("a.wav", "/a.wav", duration=20.0, channels=1, channel="mix", peak=-12.0, sound="harmonic")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "it sounds like music, or other sound that is no speech"),
        ({"sound": "tone"}, "it sounds like a steady tone, hum or rumble"),
        ({"sound": "noise", "duration": 0.42}, "it is 0.42 s long only; it sounds like noise"),
        ({"sound": ""}, "nothing is known of why"),
        ({"speech_seconds": 0.3}, "0.3 s that may be speech are too short or too faint"),
        ({"sound": "quiet", "peak": -71.6}, "it is all but silent (its loudest sample is at -72 dBFS)"),
        (
            {"sound": "quiet", "peak": -96.0, "channels": 2},
            "it is all but silent (its loudest sample is at -96 dBFS); its 2 channels may cancel each other "
            "(channel=0 takes the first alone)",
        ),
        (
            {"channel": "1", "channels": 2},
            "it sounds like music, or other sound that is no speech; only channel 1 of 2 (from 0) was read",
        ),
        (
            {"sound": "tone", "audio_track": 1, "audio_tracks": 2},
            "it sounds like a steady tone, hum or rumble; audio track 1 (from 0) of 2 was read, another may "
            "hold the speech",
        ),
        (
            {"sound": "noise", "gaps": ((2.0, 19.0),)},
            "17.0 s of 20.0 s are damaged or missing; it sounds like noise",
        ),
    ],
)
def test_the_likely_reason_of_no_speech(changes: dict, reason: str) -> None:
    assert no_speech(replace(ROW, **changes)) == f"no speech found: {reason}"


def test_zeros_of_several_channels_may_be_cancelled_speech() -> None:
    zeros = replace(ROW, sound="quiet", peak=None, duration=0.0)
    assert why_silent(zeros) == ""
    assert "its 2 channels may cancel" in why_silent(replace(zeros, channels=2))


def test_damage_is_told_once() -> None:
    gaps = ((1.0, 1.5), (3.0, 4.0), (5.0, 5.25), (6.0, 6.25))
    assert file_remarks(ROW) == []
    told = ("1.00–1.50 s: filled with zeros", "…")
    assert file_remarks(replace(ROW, warnings=told, gaps=gaps)) == list(told)
    assert file_remarks(replace(ROW, gaps=gaps)) == [
        "damaged or missing: 2.00 s (1.00–1.50 s, 3.00–4.00 s, 5.00–5.25 s and 1 more place)",
    ]
