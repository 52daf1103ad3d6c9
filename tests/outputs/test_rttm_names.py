"""What RTTM files call a recording."""

import pytest

from diar.outputs.rttm_names import rttm_names


@pytest.mark.parametrize(
    ("recording_id", "url", "stem"),
    [
        ("talks/monday.wav", "/x/talks/monday.wav", "monday"),
        ("talks/Monday.v2.WAV", "/x/Monday.v2.wav", "Monday.v2"),
        ("talk.wav@10.00-40.00", "/x/talk.wav", "talk@10.00-40.00"),
        ("talk.wav@10.00-", "/x/talk.wav", "talk@10.00-"),
        ("utt.1", "/x/a.flac", "utt.1"),  # an utterance id is no file name
        ("a/.wav", "/x/.wav", ".wav"),
        ("a.wav.wav", "/x/a.wav.wav", "a.wav"),
    ],
)
def test_a_stem_has_neither_folders_nor_suffix(recording_id: str, url: str, stem: str) -> None:
    assert rttm_names("stem", [(recording_id, url)]) == {recording_id: stem}
    assert rttm_names("path", [(recording_id, url)]) == {recording_id: recording_id}
