"""Diarization scores against md-eval's arithmetic, pyannote.metrics on whole recordings, and a grid."""

import json
import random
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diar.cli import main
from diar.formats.matching import MatchError, match_names
from diar.formats.rttm import Region, read_turns, write_rttm
from diar.records import Turn
from diar.score.der import ScoreOptions, score_turns
from diar.score.error_intervals import error_intervals
from diar.score.recording import RecordingScore, ScoreError, join_own, score_recording
from tests.commands import run_diar
from tests.pages import read_page

pytest.importorskip("pyannote.metrics")


def turns_of(side: str, most: int = 12) -> st.SearchStrategy[list[Turn]]:
    """Turns of up to four speakers within 40 s, on a grid of 0.1 s; touching, overlapping, repeated."""
    turn = st.tuples(st.integers(0, 350), st.integers(1, 50), st.integers(0, 3))
    return st.lists(turn, max_size=most).map(
        lambda found: join_own([Turn("a", s / 10, (s + n) / 10, f"{side}{who}") for s, n, who in found])
    )


def perturbed(turns: list[Turn], rng: random.Random) -> list[Turn]:
    """A hypothesis with every kind of error."""
    speakers = sorted({turn.speaker for turn in turns})
    found = []
    for turn in turns:
        if rng.random() < 0.1:
            continue
        speaker = rng.choice(speakers) if rng.random() < 0.15 else turn.speaker
        start, end = max(0.0, turn.start + rng.gauss(0, 0.2)), turn.end + rng.gauss(0, 0.2)
        if rng.random() < 0.05:
            speaker = "another"
        if end > start:
            found.append(Turn(turn.recording, start, end, f"h {speaker}"))
    return join_own(found)


def conversation(seconds: float, speakers: int, seed: int, name: str = "a") -> list[Turn]:
    rng = random.Random(seed)
    time, found = 0.5, []
    while time < seconds:
        end = min(seconds, time + 0.3 + rng.expovariate(1 / 3))
        found.append(Turn(name, round(time, 3), round(end, 3), f"r{rng.randrange(speakers)}"))
        time = max(0.1, end + rng.gauss(0.1, 0.6))
    return join_own(found)


def md_eval(score: RecordingScore, collar: float, skip_overlap: bool) -> list[float]:
    """Seconds of reference speech, miss, false alarm and confusion by the Python port of md-eval."""
    scoring = pytest.importorskip("mdeval.scoring")
    from mdeval.utils import Segment

    def by_speaker(turns: list[Turn]) -> dict:
        found: dict = {}
        for turn in turns:
            span = {"TBEG": turn.start, "TEND": turn.end, "TDUR": turn.end - turn.start}
            found.setdefault(turn.speaker, []).append(span)
        return found

    end = max((turn.end for turn in (*score.reference, *score.hypothesis)), default=0.0)
    sides = by_speaker(score.reference), by_speaker(score.hypothesis)
    uem = [Segment(0.0, end)]
    found, _ = scoring.score_speaker_diarization("a", "1", *sides, uem, collar, skip_overlap)
    return [found[k] for k in ("SCORED_SPEAKER", "MISSED_SPEAKER", "FALARM_SPEAKER", "SPEAKER_ERROR")]


def seconds(score: RecordingScore) -> list[float]:
    amounts = score.amounts
    return [amounts.speech, amounts.miss, amounts.false_alarm, amounts.confusion]


@settings(max_examples=60)
@given(turns_of("r"), turns_of("h"), st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.booleans())
def test_equals_md_eval_on_random_turns(
    reference: list[Turn], hypothesis: list[Turn], collar: float, skip_overlap: bool
) -> None:
    score = score_recording("a", reference, hypothesis, collar, skip_overlap)
    assert seconds(score) == pytest.approx(md_eval(score, collar, skip_overlap), abs=2e-6)


@pytest.mark.parametrize("collar", [0.0, 0.25])
@pytest.mark.parametrize("skip_overlap", [False, True])
def test_equals_md_eval_on_real_conversations(shared_dir: Path, collar: float, skip_overlap: bool) -> None:
    rng = random.Random(1)
    reference = read_turns(shared_dir / "data" / "ami")
    hypothesis = {name: perturbed(turns, rng) for name, turns in reference.items()}
    vbx = shared_dir / "data" / "vbx"
    reference |= read_turns(vbx / "ES2005a.reference.rttm")
    hypothesis |= read_turns(vbx / "ES2005a.rttm")
    result = score_turns(reference, hypothesis, ScoreOptions(collar, skip_overlap))
    assert len(result.recordings) == 11
    expected = [md_eval(score, collar, skip_overlap) for score in result.recordings]
    assert [seconds(score) for score in result.recordings] == [pytest.approx(e, abs=1e-6) for e in expected]
    pooled = np.sum(expected, axis=0)
    assert result.pooled.der == pytest.approx(pooled[1:].sum() / pooled[0], abs=1e-7)
    perfect = score_turns(reference, reference, ScoreOptions(collar, skip_overlap)).pooled
    assert (perfect.errors, perfect.count_error) == (0, 0)
    assert perfect.jer == pytest.approx(0, abs=1e-9)


@pytest.mark.skipif(not shutil.which("md-eval-22.pl"), reason="md-eval-22.pl is not on PATH")
def test_equals_the_perl_script(shared_dir: Path) -> None:
    """Its times have 6 decimals. (With a collar it maps speakers before cutting, pyannote.metrics after.)"""
    der = pytest.importorskip("meeteval.der")
    vbx = shared_dir / "data" / "vbx"
    reference, hypothesis = (read_turns(vbx / f"ES2005a{end}") for end in (".reference.rttm", ".rttm"))
    (score,) = score_turns(reference, hypothesis).recordings
    from meeteval.io import UEM, load

    files = [load(vbx / f"ES2005a{end}") for end in (".reference.rttm", ".rttm")]
    uem = UEM.parse(f"ES2005a 1 0 {max(turn.end for turn in (*score.reference, *score.hypothesis))}")
    found = der.md_eval_22(*files, uem=uem)
    perl = [found.scored_speaker_time, found.missed_speaker_time]
    perl += [found.falarm_speaker_time, found.speaker_error_time]
    assert seconds(score) == pytest.approx([float(value) for value in perl], abs=1e-5)


@pytest.mark.parametrize(("collar", "skip_overlap"), [(0.0, False), (0.25, True)])
def test_pieces_of_a_long_recording_equal_pyannote_on_all_of_it(collar: float, skip_overlap: bool) -> None:
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

    reference = conversation(1000, 4, seed=1)
    hypothesis = perturbed(reference, random.Random(2))
    regions: list[Region] = [(7.0, 512.5), (500.0, 640.0), (700.0, 990.0)]
    score = score_recording("a", reference, hypothesis, collar, skip_overlap, regions)

    def annotation(turns: list[Turn]) -> Annotation:
        found = Annotation()
        for track, turn in enumerate(turns):
            found[Segment(turn.start, turn.end), track] = turn.speaker
        return found

    sides = annotation(reference), annotation(hypothesis)
    options = {"collar": 2 * collar, "skip_overlap": skip_overlap}
    uem = Timeline([Segment(*region) for region in regions]).support()
    errors = DiarizationErrorRate(**options)(*sides, uem=uem, detailed=True)
    names = ("total", "missed detection", "false alarm", "confusion")
    assert seconds(score) == pytest.approx([errors[name] for name in names], abs=1e-5)
    assert score.amounts.jer == pytest.approx(JaccardErrorRate(**options)(*sides, uem=uem), abs=1e-6)
    assert score.mapping == DiarizationErrorRate().optimal_mapping(*sides, uem=uem)


@settings(max_examples=60)
@given(turns_of("r"), turns_of("h"))
def test_jer_and_overlap_by_counting_on_a_grid(reference: list[Turn], hypothesis: list[Turn]) -> None:
    score = score_recording("a", reference, hypothesis)

    def grid(turns: list[Turn]) -> dict[str, np.ndarray]:
        found = {turn.speaker: np.zeros(400, bool) for turn in turns}
        for turn in turns:
            found[turn.speaker][round(turn.start * 10) : round(turn.end * 10)] = True
        return found

    there, found = grid(reference), grid(hypothesis)
    partner = {r: h for h, r in score.mapping.items()}
    errors = [
        1 - (mine & found[partner[r]]).sum() / (mine | found[partner[r]]).sum() if r in partner else 1.0
        for r, mine in there.items()
    ]
    assert score.amounts.jaccard_error == pytest.approx(sum(errors), abs=1e-6)
    assert score.amounts.jaccard_speakers == score.amounts.reference_speakers == len(there)
    assert score.amounts.hypothesis_speakers == len(found)
    overlaps = [np.sum([*side.values(), np.zeros(400, bool)], axis=0) > 1 for side in (there, found)]
    assert score.amounts.reference_overlap == pytest.approx(overlaps[0].sum() / 10, abs=1e-6)
    assert score.amounts.hypothesis_overlap == pytest.approx(overlaps[1].sum() / 10, abs=1e-6)
    assert score.amounts.common_overlap == pytest.approx((overlaps[0] & overlaps[1]).sum() / 10, abs=1e-6)


@settings(max_examples=60)
@given(turns_of("r"), turns_of("h"), st.sampled_from([0.0, 0.25]), st.booleans())
def test_error_intervals_sum_to_the_amounts(
    reference: list[Turn], hypothesis: list[Turn], collar: float, skip_overlap: bool
) -> None:
    score = score_recording("a", reference, hypothesis, collar, skip_overlap)
    spans = error_intervals(score)
    for name in ("miss", "false_alarm", "confusion"):
        total = sum((span.end - span.start) * getattr(span, name) for span in spans)
        assert total == pytest.approx(getattr(score.amounts, name), abs=2e-5)


def test_a_hand_made_case() -> None:
    reference = [Turn("a", 0, 10, "x"), Turn("a", 8, 14, "y")]
    hypothesis = [Turn("a", 1, 9, "1"), Turn("a", 9, 12, "2"), Turn("a", 20, 21, "3")]
    amounts = score_recording("a", reference, hypothesis).amounts
    assert (amounts.speech, amounts.scored) == (16, 21)
    # missed: x in 0-1, one of both in 8-9 and 9-10, y in 12-14; false alarm 20-21
    assert (amounts.miss, amounts.false_alarm, amounts.confusion) == (5, 1, 0)
    assert amounts.der == 6 / 16
    assert amounts.jer == pytest.approx((1 - 8 / 10 + 1 - 3 / 6) / 2)
    assert (amounts.count_error, amounts.exact_counts) == (1, 0)
    assert (amounts.overlap_precision, amounts.overlap_recall) == (None, 0)
    collared = score_recording("a", reference, hypothesis, collar=0.5).amounts
    assert collared.speech == pytest.approx(7 + 2 * 1 + 3)  # 0.5-7.5, 8.5-9.5 twice, 10.5-13.5
    skipped = score_recording("a", reference, hypothesis, skip_overlap=True).amounts
    assert (skipped.speech, skipped.miss, skipped.reference_overlap) == (12, 3, 0)


def test_own_overlap_counts_once() -> None:
    twice = [Turn("a", 0, 5, "x"), Turn("a", 3, 8, "x"), Turn("a", 8, 9, "x")]
    assert join_own(twice) == [Turn("a", 0, 8, "x"), Turn("a", 8, 9, "x")]
    amounts = score_recording("a", twice, twice).amounts
    assert (amounts.speech, amounts.errors, amounts.reference_overlap) == (9, 0, 0)


def test_recordings_of_one_side_only() -> None:
    turns = {name: [Turn(name, 0, 10, "x")] for name in ("both", "lost", "extra")}
    reference = {name: turns[name] for name in ("both", "lost")}
    hypothesis = {name: turns[name] for name in ("both", "extra")}
    result = score_turns(reference, hypothesis)
    assert [(s.recording, s.amounts.der) for s in result.recordings] == [("both", 0), ("lost", 1)]
    assert result.warnings == [
        "1 recording without hypothesis: all of their speech counts as missed (lost)",
        "1 recording without reference: not scored (extra)",
    ]
    uem = {"both": [(2.0, 4.0)], "extra": [(0.0, 5.0)]}
    result = score_turns(reference, hypothesis, uem=uem)
    assert [(s.recording, s.amounts.speech, s.amounts.false_alarm) for s in result.recordings] == [
        ("both", 2, 0),
        ("extra", 0, 5),
    ]
    assert result.recordings[1].amounts.der is None
    assert result.warnings == ["1 recording not in the UEM: not scored (lost)"]
    with pytest.raises(ScoreError, match="nothing to score"):
        score_turns(reference, hypothesis, uem={"another": [(0.0, 1.0)]})
    with pytest.raises(ScoreError, match="nothing to score"):
        score_turns({}, hypothesis)


def test_names_are_matched_without_suffix_and_folders() -> None:
    assert match_names(["a", "b.wav", "c"], ["x/a.wav", "b", "c", "y/c.mp3", "d"]) == {
        "x/a.wav": "a", "b": "b.wav", "c": "c", "y/c.mp3": "y/c.mp3", "d": "d",
    }  # fmt: skip
    assert match_names(["x/a.wav"], ["y/a.wav"]) == {"y/a.wav": "y/a.wav"}
    with pytest.raises(MatchError, match=r"a.mp3 and a.wav may both mean a"):
        match_names(["a"], ["a.mp3", "a.wav"])
    with pytest.raises(MatchError, match=r"a may mean x/a.wav or y/a.wav"):
        match_names(["x/a.wav", "y/a.wav"], ["a"])


def test_no_warning_reaches_the_user() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score_turns({"a": [Turn("a", 0, 1, "x")]}, {"a": []}, ScoreOptions(0.25, True))


def write_pair(folder: Path, recordings: int) -> tuple[Path, Path]:
    rng = random.Random(recordings)
    reference = [conversation(20 + i % 30, 1 + i % 4, i, f"part/{i:03} x.wav") for i in range(recordings)]
    paths = folder / "reference.rttm", folder / "hypothesis.rttm"
    write_rttm(paths[0], [turn for turns in reference for turn in turns])
    write_rttm(paths[1], [turn for turns in reference for turn in perturbed(turns, rng)])
    return paths


@pytest.mark.parametrize("score", ["der", "words"])
def test_a_report_never_replaces_the_page_of_a_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], score: str
) -> None:
    result = tmp_path / "R"
    result.mkdir()
    page = result / "index.html"
    if score == "der":
        write_pair(tmp_path, 2)
        sides = [tmp_path / "reference.rttm", tmp_path / "hypothesis.rttm"]
    else:
        pytest.importorskip("meeteval", reason="scoring words needs meeteval")
        sides = [tmp_path / "words.stm"] * 2
        sides[0].write_text("talk 1 A 0.0 3.0 hello there you\n")
    page.write_text("all that was found")
    command = ["score", score, *map(str, sides), "--report"]
    assert main([*command, str(result)]) == 2
    assert "index.html that is not of such a report" in capsys.readouterr().err
    assert main(["score", score, str(sides[0]), str(result), "--report", str(result)]) == 2
    assert "--report and --hypothesis are the same place" in capsys.readouterr().err
    assert page.read_text() == "all that was found"
    for _ in range(2):  # a report may replace itself
        assert main([*command, str(tmp_path / "report")]) == 0


def test_names_with_dollars_are_no_formulas(tmp_path: Path) -> None:
    reference, hypothesis = write_pair(tmp_path, 2)
    uem = tmp_path / "$\\frac{1$.uem"
    uem.write_text("".join(f"{name} 1 0 15\n" for name in ("part/000%20x.wav", "part/001%20x.wav")))
    sides = map(str, (reference, hypothesis, "--uem", uem, "--report", tmp_path / "report"))
    assert main(["score", "der", *sides]) == 0


@pytest.mark.parametrize("recordings", [2, 70])
def test_command_and_report(tmp_path: Path, recordings: int) -> None:
    reference, hypothesis = write_pair(tmp_path, recordings)
    sides = ("--reference", reference, "--hypothesis", hypothesis)
    run = run_diar("score", "der", *sides, "--collar", "0.1", "--report", tmp_path / "report")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(
        "collar 0.1 s on each side of reference boundaries · overlapped speech scored"
    )
    document = json.loads((tmp_path / "report" / "der.json").read_text(encoding="utf-8"))
    assert len(document["recordings"]) == recordings
    pooled = document["pooled"]
    parts = pooled["miss"] + pooled["false_alarm"] + pooled["confusion"]
    assert pooled["der"] == pytest.approx(parts / pooled["speech"], abs=1e-6)
    assert f"pooled ({recordings})" in run.stdout
    assert f" {100 * pooled['der']:.2f} " in run.stdout.splitlines()[-2]
    page = read_page(tmp_path / "report" / "index.html")
    assert f"report, to be opened in a browser: {tmp_path / 'report' / 'index.html'}" in run.stderr
    assert page.rows("recordings") == recordings
    by_name = dict(zip(page.column("recordings", "Recording"), page.column("recordings", "DER"), strict=True))
    assert by_name == {entry["recording"]: entry["der"] for entry in document["recordings"]}
    page.check_alone()
    ranked = sorted(document["recordings"], key=lambda entry: -entry["der"])
    for rank, entry in enumerate(ranked[:5], start=1):
        if entry["der"]:
            assert f"{rank}. {entry['recording']}" in page.headings
            assert f"timeline_{rank}.png" in page.links
            with Image.open(tmp_path / "report" / f"timeline_{rank}.png") as image:
                assert image.width == 1700
    with Image.open(tmp_path / "report" / "der_breakdown.png") as image:
        assert len(image.convert("RGB").getcolors(maxcolors=10**6)) > 10
    printed = run_diar("score", "der", *sides, "--collar", "0.1", "--json")
    assert json.loads(printed.stdout) == document


def test_command_names_what_is_wrong(tmp_path: Path) -> None:
    reference, hypothesis = write_pair(tmp_path, 2)
    hypothesis.write_text("SPEAKER a 1 x 2 <NA> <NA> s\n")
    run = run_diar("score", "der", "--reference", reference, "--hypothesis", hypothesis)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"error: {hypothesis}, line 1: the start is 'x'")
    run = run_diar("score", "der", "--reference", reference, "--hypothesis", reference, "--collar", "-1")
    assert run.returncode == 2
    assert "--collar is -1" in run.stderr
