"""Which audio track of a file is read: by number, language, default flag, or because it holds speech."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from diar.archive.audio_file import AudioFile, DecodeError
from diar.archive.decoders.decode import decode, open_audio
from diar.archive.languages import same_language
from tests.archive.channels.calls import RATE, hiss, music, talk
from tests.archive.sounds import recording_of, strongest_frequency, tone, write_wav

Track = tuple[np.ndarray, str, bool]  # samples (n,), language, default flag


def write_tracks(path: Path, tracks: list[Track]) -> Path:
    """A Matroska or MP4 file, by its suffix, of AAC tracks."""
    container = "mp4" if path.suffix == ".mp4" else "matroska"
    with av.open(str(path), "w", format=container) as output:
        streams = []
        for _, language, default in tracks:
            stream = output.add_stream("aac", rate=RATE, layout="mono")
            stream.bit_rate = 64_000
            if language:
                stream.metadata["language"] = language
            stream.disposition = Disposition.default if default else Disposition(0)
            streams.append(stream)
        for start in range(0, max(len(samples) for samples, _, _ in tracks), 1024):
            for stream, (samples, _, _) in zip(streams, tracks, strict=True):
                if start >= len(samples):
                    continue
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[None, start : start + 1024]), "fltp", "mono"
                )
                frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    return path


def read_track(path: Path, track: str = "auto") -> tuple[int, int, list[str]]:
    with open_audio(recording_of(path), RATE, track=track) as stream:
        return stream.audio_track, stream.audio_tracks, stream.warnings


def sine(seconds: float = 24.0, hertz: float = 440.0) -> np.ndarray:
    return tone(seconds, RATE, (hertz,))[:, 0]


BESIDE = {"tone": sine(), "music": music(), "noise": hiss(0.1), "silence": 0 * sine()}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("flags", [(True, True), (False, False)])
def test_the_track_with_speech(tmp_path: Path, beside: str, place: int, flags: tuple[bool, bool]) -> None:
    signals = [talk(), BESIDE[beside]] if place == 0 else [BESIDE[beside], talk()]
    path = write_tracks(tmp_path / "a.mkv", [(s, "", flag) for s, flag in zip(signals, flags, strict=True)])
    number, count, warnings = read_track(path)
    assert (number, count, len(warnings)) == (place, 2, 1)
    assert f"2 audio tracks; track {place} is read, which is most like speech" in warnings[0]


def test_speech_that_begins_late(tmp_path: Path) -> None:
    late = np.concatenate([0 * talk(), talk()])
    path = write_tracks(tmp_path / "a.mkv", [(sine(48), "", False), (late, "", False)])
    assert read_track(path)[0] == 1


def test_the_default_flag_counts_if_one_track_has_it(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [(talk(), "", False), (sine(), "", True)])
    number, count, warnings = read_track(path)
    assert (number, count) == (1, 2)
    assert "which the file marks as its default" in warnings[0]


def test_of_equals_the_first(tmp_path: Path) -> None:
    number, _, warnings = read_track(write_tracks(tmp_path / "a.mkv", [(talk(), "", True)] * 3))
    assert number == 0
    assert "3 audio tracks" in warnings[0]
    assert "no track is more like speech" in warnings[0]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_number_or_a_language(tmp_path: Path, name: str) -> None:
    tracks = [(sine(2, 300.0 + 200 * i), language, True) for i, language in enumerate(["eng", "ger", "fre"])]
    path = write_tracks(tmp_path / name, tracks)
    for wanted, number in {
        "0": 0,
        "2": 2,
        "en": 0,
        "ENG": 0,
        "de": 1,
        "deu": 1,
        "fr-CA": 2,
        "fra": 2,
    }.items():
        assert read_track(path, wanted)[:2] == (number, 3)
        samples = decode(recording_of(path), RATE, track=wanted).samples
        assert strongest_frequency(samples, RATE) == pytest.approx(300 + 200 * number, abs=2)
    for wanted, message in {"3": "has 3", "spa": "only eng, ger, fre", "xx": "only eng, ger, fre"}.items():
        with pytest.raises(DecodeError, match=message) as caught:
            read_track(path, wanted)
        assert caught.value.kind == "bad_track"


def test_files_of_one_track(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav", talk())
    mkv = write_tracks(tmp_path / "a.mp4", [(talk(), "", True)])
    for path in (wav, mkv):
        assert read_track(path) == read_track(path, "0") == (0, 1, [])
        assert "no language tag" in read_track(path, "eng")[2][0]
        with pytest.raises(DecodeError, match="track 1 asked for, but it has 1") as caught:
            read_track(path, "1")
        assert caught.value.kind == "bad_track"


def test_the_case_that_was_reported(shared_dir: Path) -> None:
    path = shared_dir / "cases" / "two_tracks_speech_first.mkv"
    number, count, warnings = read_track(path)
    assert (number, count) == (0, 2)
    assert "most like speech" in warnings[0]
    assert AudioFile.find(str(path)).head


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [("en", "eng", True), ("de", "ger", True), ("deu", "GER", True), ("pt-BR", "por", True),
     ("zh_Hant", "chi", True), ("en", "de", False),
     ("nob", "nno", False), ("qaa", "qaa", True), ("qaa", "qab", False)],
)  # fmt: skip
def test_language_tags(first: str, second: str, same: bool) -> None:
    assert same_language(first, second) == same == same_language(second, first)
