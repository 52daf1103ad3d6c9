"""Times are those of the file's own clock: late audio keeps its offset, priming and padding are removed."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from diar.archive.decoders.decode import decode, open_audio
from diar.embedding.chunks import ChunkSettings
from diar.outputs.source_samples import SourceSamples
from diar.reading import ReadSettings, read_recording
from diar.records import RecordingRow
from tests.archive.decoders.test_raw_frames import SECONDS, chirps, place_of
from tests.archive.sounds import RATE, encode, recording_of, write_wav

CONTAINERS = [  # container, audio, video, rate; clock starts at 0, where the audio may stand alone
    ("mp4", "aac", "mpeg4", 16_000, True),
    ("mp4", "alac", "mpeg4", 44_100, True),
    ("mov", "pcm_s16le", "mpeg4", 16_000, True),
    ("3gp", "aac", "mpeg4", 16_000, True),
    ("matroska", "aac", "mpeg4", 48_000, True),
    ("matroska", "libopus", "mpeg4", 48_000, True),
    ("matroska", "flac", "mpeg4", 16_000, True),
    ("matroska", "libmp3lame", "mpeg4", 44_100, True),
    ("webm", "libopus", "libvpx", 48_000, True),
    ("mpegts", "aac", "mpeg2video", 48_000, False),
    ("mpegts", "mp2", "mpeg2video", 48_000, False),
    ("mpegts", "ac3", "mpeg2video", 48_000, False),
    ("mpeg", "mp2", "mpeg1video", 48_000, False),
    ("vob", "ac3", "mpeg2video", 48_000, False),
    ("flv", "aac", "flv1", 48_000, False),
    ("asf", "wmav2", "mpeg4", 44_100, False),
]


def film(path: Path, container: str, codecs: tuple[str, str | None], rate: int, late: float) -> None:
    """Chirps that begin `late` seconds after the container's time 0, and pictures from 0 s on."""
    with av.open(str(path), "w", format=container) as output:
        audio_codec, video_codec = codecs
        packets: list[tuple[float, av.Packet]] = []
        video = output.add_stream(video_codec, rate=25) if video_codec else None
        audio = output.add_stream(audio_codec, rate=rate, layout="mono")
        if not audio_codec.startswith(("pcm", "flac", "alac")):
            audio.bit_rate = 96_000
        if video is not None:
            video.width = video.height = 64
            for number in range(round(25 * (late + SECONDS))):
                picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number % 255, np.uint8), "rgb24")
                picture.pts, picture.time_base = number, Fraction(1, 25)
                packets += [(number / 25, packet) for packet in video.encode(picture)]
            packets += [(late + SECONDS, packet) for packet in video.encode(None)]
        kind = audio.codec_context.codec.audio_formats[0].name
        resampler = av.AudioResampler(kind, "mono", rate, frame_size=audio.codec_context.frame_size or 1024)
        samples = chirps(rate, 0)[None]
        for start in [*range(0, samples.shape[1], 1000), None]:
            frame = None
            if start is not None:
                block = np.ascontiguousarray(samples[:, start : start + 1000])
                frame = av.AudioFrame.from_ndarray(block, "fltp", "mono")
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = start + round(late * rate)
            for ready in resampler.resample(frame):
                packets += [(float(p.pts * p.time_base), p) for p in audio.encode(ready)]
        packets += [(float(p.pts * p.time_base), p) for p in audio.encode(None)]
        for _, packet in sorted(packets, key=lambda timed: timed[0]):
            output.mux(packet)


@pytest.mark.parametrize("late", [0.0, 0.5, 8.0])  # 8 s: later than what is probed
@pytest.mark.parametrize(("container", "audio", "video", "rate", "absolute"), CONTAINERS)
def test_audio_that_starts_behind_the_picture(
    tmp_path: Path, container: str, audio: str, video: str, rate: int, absolute: bool, late: float
) -> None:
    path = tmp_path / "film"
    film(path, container, (audio, video), rate, late)
    with open_audio(recording_of(path), RATE) as stream:
        samples = np.concatenate(list(stream))
    assert stream.gaps == []
    # Where the picture starts at the same time, a container without edit lists begins with the priming
    exact = late > 0 or absolute
    assert place_of(0, samples) == pytest.approx(late, abs=0.002 if exact else 0.07)
    assert stream.audio_start == pytest.approx(late, abs=0.1)
    assert np.abs(samples[: max(0, round((stream.audio_start - 0.01) * RATE))]).sum() < 0.01
    told = [line for line in stream.warnings if "after the file's start" in line]
    assert len(told) == (late > 0.1)


@pytest.mark.parametrize(
    ("container", "audio", "rate"), [(c, a, r) for c, a, _, r, absolute in CONTAINERS if absolute]
)
def test_audio_alone_that_starts_late_where_the_clock_begins_at_zero(
    tmp_path: Path, container: str, audio: str, rate: int
) -> None:
    path = tmp_path / "late"
    film(path, container, (audio, None), rate, 3.0)
    assert place_of(0, decode(recording_of(path), RATE).samples) == pytest.approx(3.0, abs=0.002)


@pytest.mark.parametrize("container", ["mpegts", "flv"])
def test_a_clock_that_starts_anywhere_is_counted_from_its_start(tmp_path: Path, container: str) -> None:
    film(tmp_path / "a", container, ("aac", None), 48_000, 3.0)
    audio = decode(recording_of(tmp_path / "a"), RATE)
    assert place_of(0, audio.samples) == pytest.approx(0.0, abs=0.07)


@pytest.mark.parametrize(
    ("name", "codec", "container", "rate"),
    [
        ("a.mp3", "libmp3lame", "mp3", 16_000),
        ("a.mp3", "libmp3lame", "mp3", 44_100),
        ("a.m4a", "aac", "ipod", 16_000),
        ("a.m4a", "aac", "mp4", 44_100),
        ("a.opus", "libopus", "opus", 48_000),
        ("a.mka", "libopus", "matroska", 48_000),
        ("a.webm", "libopus", "webm", 48_000),
        ("a.mka", "libmp3lame", "matroska", 44_100),
    ],
)
def test_priming_is_removed_where_the_file_tells_it(
    tmp_path: Path, name: str, codec: str, container: str, rate: int
) -> None:
    path = encode(tmp_path / name, chirps(rate, 0)[:, None], rate, codec, container)
    audio = decode(recording_of(path), RATE)
    assert abs(place_of(0, audio.samples)) < 0.002
    assert len(audio.samples) / RATE == pytest.approx(SECONDS, abs=0.066)
    assert audio.gaps == []


def test_vorbis_and_mp3_of_libsndfile(tmp_path: Path) -> None:
    for name in ("a.ogg", "a.mp3"):
        audio = decode(recording_of(write_wav(tmp_path / name, chirps(RATE, 0))), RATE)
        assert abs(place_of(0, audio.samples)) < 0.002
        assert len(audio.samples) == SECONDS * RATE


def test_parts_and_speaker_audio_are_on_the_same_clock(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    film(path, "mp4", ("aac", "mpeg4"), 16_000, 3.0)
    whole = decode(recording_of(path), RATE).samples
    np.testing.assert_array_equal(
        decode(recording_of(path, 2.0, 3.0), RATE).samples, whole[2 * RATE : 5 * RATE]
    )
    np.testing.assert_array_equal(decode(recording_of(path, 4.0), RATE).samples, whole[4 * RATE :])
    source = np.concatenate(list(SourceSamples(str(path)).blocks(0, 10**9)))[:, 0]
    np.testing.assert_allclose(source / 2.0**31, whole, atol=1e-6)


def test_the_case(shared_dir: Path) -> None:
    cases = shared_dir / "cases"
    talk = decode(recording_of(cases / "talk.flac"), RATE).samples
    with open_audio(recording_of(cases / "71_audio_starts_at_3s.mp4"), RATE) as stream:
        samples = np.concatenate(list(stream))
    assert stream.audio_start == pytest.approx(3.0, abs=0.07)
    late = samples[3 * RATE :]
    assert np.corrcoef(late[: 20 * RATE], talk[: 20 * RATE])[0, 1] > 0.9


def test_what_is_unusual_reaches_the_index(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    film(path, "mp4", ("aac", "mpeg4"), 16_000, 3.0)
    settings = ReadSettings(ChunkSettings(RATE, 32 * RATE, RATE, 2 * RATE, RATE), "mix", 0.1)
    *_, row = read_recording(recording_of(path), settings)
    assert isinstance(row, RecordingRow)
    assert (row.audio_start, row.gaps) == (pytest.approx(3.0, abs=0.07), ())
    assert row.duration == pytest.approx(3.0 + SECONDS, abs=0.07)
    (warning,) = row.warnings
    assert warning.startswith("the audio begins 2.94 s after the file's start")
