"""Scores of hand-made results, and the matching against an exhaustive reference."""

import json
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from diar.formats.result_json import DetectionResult, NoSpeech, NotUsed, OddFile, Segment, to_json
from diar.score.boundary_score import (
    PrecisionRecall,
    TruthError,
    match_boundaries,
    read_truth,
    score_boundaries,
    score_result,
)
from tests.outputs.sample import make_result

TRUTH = [("A", 0, 0)] * 4 + [("X", 0, 1)] + [("B", 1, 0)] * 5 + [("A", 2, 0)] * 5


def write_truth(path: Path, rows: list = TRUTH, columns: str = "path,speaker,block,odd") -> Path:
    wanted = columns.split(",")
    lines = [columns]
    for i, (speaker, block, odd) in enumerate(rows):
        values = {"path": f"{i}.wav", "speaker": speaker, "block": block, "odd": odd}
        lines.append(",".join(str(values[name]) for name in wanted))
    path.write_text("\n".join(lines) + "\n")
    return path


def result(starts: list[int], speakers: list[str], odd: list[int] = [], files: int = 15) -> DetectionResult:  # noqa: B006
    ends = [*starts[1:], files]
    return replace(
        make_result(),
        segments=[
            Segment(i + 1, speaker, "", a, b, f"{a}.wav", f"{b - 1}.wav", b - a, 0.8)
            for i, (a, b, speaker) in enumerate(zip(starts, ends, speakers, strict=True))
        ],
        odd_files=[OddFile(i, f"{i}.wav", 1, "1", "foreign", 0.9, 0.1, None, None) for i in odd],
        not_used=[],
    )


def test_a_perfect_result(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(to_json(result([0, 5, 10], ["1", "2", "1"], [4])))
    score = score_boundaries(write_truth(tmp_path / "t.csv"), tmp_path / "r.json")
    assert [d.f1 for d in score.boundaries.values()] == [1.0, 1.0, 1.0]
    assert score.odd_files is not None and score.odd_files.f1 == 1.0
    assert (score.purity, score.coverage) == (1.0, 1.0)
    assert json.loads(score.to_json())["boundaries"]["0"]["f1"] == 1.0
    assert "boundaries, tolerance 0" in score.to_text()


def test_an_odd_file_at_the_edge_may_lie_on_either_side(tmp_path: Path) -> None:
    truth = read_truth(write_truth(tmp_path / "t.csv"))
    score = score_result(truth, result([0, 4, 10], ["1", "2", "1"]))
    assert (score.boundaries[0].f1, score.boundaries[1].f1, score.ambiguous.f1) == (0.5, 1.0, 1.0)
    assert score.odd_files is not None and score.odd_files.recall == 0.0
    assert score.purity == 1.0


def test_wrong_numbers_show_in_purity_and_coverage(tmp_path: Path) -> None:
    truth = read_truth(write_truth(tmp_path / "t.csv"))
    merged = score_result(truth, result([0], ["1"]))
    assert (merged.purity, merged.coverage) == (pytest.approx(9 / 14), 1.0)
    assert (merged.boundaries[0].precision, merged.boundaries[0].recall) == (1.0, 0.0)
    split = score_result(truth, result([0, 5, 10], ["1", "2", "3"]))
    assert (split.purity, split.coverage) == (1.0, pytest.approx(10 / 14))


def test_without_blocks_boundaries_are_changes_of_speaker(tmp_path: Path) -> None:
    assert read_truth(write_truth(tmp_path / "a.csv", columns="path,speaker,odd")).boundaries == [5, 10]
    plain = read_truth(write_truth(tmp_path / "b.csv", columns="path,speaker"))
    assert (plain.boundaries, plain.odd) == ([4, 5, 10], None)


def test_recordings_without_embedding_have_no_speaker(tmp_path: Path) -> None:
    truth = read_truth(write_truth(tmp_path / "t.csv"))
    found = replace(result([0, 5, 10], ["1", "2", "1"]), not_used=[NotUsed("5.wav", "empty", "")])
    assert score_result(truth, found).purity == 1.0


def test_a_block_begins_with_the_first_file_that_the_result_used(tmp_path: Path) -> None:
    """Where a block's first files hold no speech, no result can place its boundary before them."""
    truth = read_truth(write_truth(tmp_path / "t.csv"))
    found = result([0, 7, 10], ["1", "2", "1"])
    assert score_result(truth, found).boundaries[0].hits == 1
    failed, silent = [NotUsed("5.wav", "empty", "")], [NoSpeech(6, "6.wav", "")]
    score = score_result(truth, replace(found, not_used=failed, no_speech=silent))
    assert score.boundaries[0] == score.ambiguous == PrecisionRecall(2, 2, 2)
    last = [NotUsed(f"{i}.wav", "empty", "") for i in range(10, 15)]  # a whole block is missed
    assert score_result(truth, replace(result([0, 5], ["1", "2"]), not_used=last)).boundaries[5].hits == 1


def test_time_grows_with_the_segments(tmp_path: Path) -> None:
    many = [(str(i), i, 0) for i in range(20_000)]
    truth = read_truth(write_truth(tmp_path / "t.csv", many))
    found = result(list(range(20_000)), [str(i) for i in range(20_000)], files=20_000)
    begun = process_time()
    assert score_result(truth, found).boundaries[0].f1 == 1.0
    assert process_time() - begun < 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,speaker\n1,A\n", "no column path"),
        ("", "no column path and speaker"),
        ("path,speaker\n1.wav,A\n1.wav,B\n", "1.wav more than once"),
        ("path,speaker,odd\n1.wav,A,yes\n", "column odd holds 'yes'"),
    ],
)
def test_bad_truths(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TruthError, match=message):
        read_truth(tmp_path / "t.csv")


def test_a_truth_of_another_archive_and_a_missing_one(tmp_path: Path) -> None:
    truth = read_truth(write_truth(tmp_path / "t.csv", rows=TRUTH[:8]))
    with pytest.raises(TruthError, match=r"names 10\.wav, the truth does not"):
        score_result(truth, result([0, 5, 10], ["1", "2", "1"]))
    with pytest.raises(TruthError, match=r"none\.csv"):
        read_truth(tmp_path / "none.csv")


@given(
    st.lists(st.integers(0, 40), unique=True, max_size=10),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), max_size=10),
)
def test_matching_is_optimal(found: list[int], ranges: list[tuple[int, int]]) -> None:
    allowed = [(low, low + width) for low, width in ranges]
    fits = np.array([[low <= b <= high for low, high in allowed] for b in found], dtype=float)
    fits = fits.reshape(len(found), len(allowed))
    rows, columns = linear_sum_assignment(-fits)
    assert match_boundaries(found, allowed) == fits[rows, columns].sum()
