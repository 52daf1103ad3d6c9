"""Amounts and names in words."""

import pytest

from diar.wording import counted, did_you_mean, duration, nearest, plural, size


def test_words_follow_their_count() -> None:
    assert [counted(n, "recording") for n in (0, 1, 2, 1234)] == [
        "0 recordings", "1 recording", "2 recordings", "1,234 recordings",
    ]  # fmt: skip
    assert (counted(1, "other file"), counted(2, "other file")) == ("1 other file", "2 other files")
    assert (counted(1, "person"), counted(5, "person")) == ("1 person", "5 people")
    assert [plural(n, "has") for n in (1, 2)] == ["has", "have"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (4.24, "4.2 s"),
        (9.96, "10 s"),
        (36.2, "36 s"),
        (59.6, "1.0 min"),
        (750, "12.5 min"),
        (3599, "1.0 h"),
        (20_160, "5.6 h"),
        (44_444_444, "12,346 h"),
    ],
)
def test_durations_have_the_unit_of_their_size(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "1 byte"),
        (532, "532 bytes"),
        (1_230, "1.23 kB"),
        (999_999, "1.00 MB"),
        (45_600_000_000, "45.6 GB"),
        (2e17, "200 PB"),
        (2e19, "20,000 PB"),
    ],
)
def test_bytes_have_the_unit_of_their_size(count: float, told: str) -> None:
    assert size(count) == told


def test_only_a_name_that_is_like_the_word_is_suggested() -> None:
    names = ["campplus-zh-en", "segmentation-3.0", "segmentation-2022.07"]
    assert nearest("camplus", names) == "campplus-zh-en"
    assert nearest("Segmentation_3.0", names) == "segmentation-3.0"
    assert nearest("segmentation", names) == "segmentation-3.0"
    assert nearest("whisper", names) is None
    assert did_you_mean("ouput_dir", ["input_dir", "output_dir"], "--{}") == "; did you mean --output_dir?"
    assert did_you_mean("x", names) == ""
