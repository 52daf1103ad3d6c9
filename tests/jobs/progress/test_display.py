import sys

import pytest

from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.display import Display, describe

TOTALS = Totals(files=1000, bytes=2_000_000, files_before=100, bytes_before=200_000)


def test_the_line_tells_amounts_and_where_the_time_goes() -> None:
    done = Counters(
        files=50,
        failed=2,
        bytes=100_000,
        audio_seconds=3600,
        working_seconds=100,
        compute_seconds=93,
        decode_wait_seconds=5,
        write_wait_seconds=2,
    )
    assert describe(TOTALS, done, elapsed=60) == (
        "150 of 1,000 files · 1.0 h of audio · 60 × real time · ETA 0:17:00 · 2 failed · "
        "computing 93 %, waiting for decode 5 %, for writes 2 %"
    )
    assert describe(TOTALS, Counters(), elapsed=1) == "100 of 1,000 files · ETA ? · 0 failed"


def test_the_line_moves_within_one_long_recording() -> None:
    """Bytes and audio grow chunk by chunk, so hours, speed and ETA do, too."""
    totals = Totals(1, 1_000_000, 0, 0)
    early = describe(totals, Counters(bytes=100_000, audio_seconds=1_000), elapsed=10)
    late = describe(totals, Counters(bytes=900_000, audio_seconds=9_000), elapsed=90)
    assert "0 of 1 file · 16.7 min of audio · 100 × real time · ETA 0:01:30" in early
    assert "0 of 1 file · 2.5 h of audio · 100 × real time · ETA 0:00:10" in late
    end = describe(totals, Counters(bytes=999_999, audio_seconds=9_999), elapsed=100)
    assert "ETA 0:00:01" in end, "no zero while there is work"
    written = describe(totals, Counters(bytes=1_000_000, audio_seconds=10_000), elapsed=100)
    assert "100 × real time · finishing · 0 failed" in written


def test_slow_and_short_runs_have_figures_as_well() -> None:
    told = describe(Totals(2, 100, 0, 0), Counters(bytes=50, audio_seconds=4.21), elapsed=12.0)
    assert "0 of 2 files · 4.2 s of audio · 0.35 × real time · ETA 0:00:12" in told


def test_on_a_terminal_the_time_stands_below_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    display = Display(TOTALS)
    display.show(Counters(files=50, bytes=700_000, working_seconds=1, compute_seconds=1))
    display.close()
    bar, below = (line.split("\r")[-1] for line in capsys.readouterr().err.rstrip("\n").split("\n")[-2:])
    assert "45%|" in bar
    assert "150 of 1,000 files" in bar
    assert "computing 100 %" in below
