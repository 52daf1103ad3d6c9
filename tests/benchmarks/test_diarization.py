"""The table of error rates: sets by name, degraded versions, a peer beside it, and what is kept."""

import argparse
from pathlib import Path

import diarization
import pytest
import soundfile as sf
from labelled_sets import CLEAN
from running import Run, add_stage_options, parse_arguments

from tests.commands import run

RATE = 16_000
FIRST, SECOND = ["--channel", "0"], ["--clustering", "ahc", "--preset", "meeting"]


@pytest.mark.parametrize(
    "tail",
    [
        ["--extract_options", *FIRST, "--options", *SECOND],
        ["--options", *SECOND, "--extract_options", *FIRST],
    ],
)
def test_options_of_both_stages_in_either_order(tail: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    add_stage_options(parser)
    parsed = parse_arguments(parser, ["--full", *tail])
    assert (parsed.full, parsed.extract_options, parsed.options) == (True, FIRST, SECOND)
    assert parse_arguments(parser, ["--options", *SECOND]).extract_options == []
    assert not parse_arguments(parser, []).full


def chosen(*arguments: str) -> list[str]:
    return [
        one.name
        for one in diarization.choose_sets(parse_arguments(diarization.make_parser(), list(arguments)))
    ]


def test_sets_by_name_and_pattern() -> None:
    assert chosen() == ["AMI", "default", "seed5"]
    assert chosen("--full")[3:] == ["seed31", "seed77"]
    degraded = chosen("--degraded")
    assert len(degraded) == len(set(degraded)) == 3 + 2 * 3 * 2
    assert chosen("--sets", "AMI", "default-tel-*", "seed77-room-2") == [
        *("AMI", "default-tel-1", "default-tel-2", "seed77-room-2")
    ]
    assert chosen("--sets", "default-tel-7", "--degrade_seeds", "7") == ["default-tel-7"]
    with pytest.raises(SystemExit, match=r"no set is named default-phone.*default-tel-1"):
        chosen("--sets", "default-phone")


def test_a_degraded_set_beside_a_peer(
    shared_dir: Path, tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    peer = tmp_path / "python"
    peer.write_text('#!/bin/sh\nmkdir -p "$3"; cp "$2"/*.rttm "$3"; echo "20 s of audio in 4.0 s"\n')
    peer.chmod(0o755)
    work = tmp_path / "work"
    small = ("--shared", shared_dir, "--work", work, "--simulate", "--seed 3 --set 2:20")
    models = (
        "--model_dir",
        tiny_model_dir,
        "--segmentation",
        segmentation_dir,
        "--workers",
        1,
        "--threads",
        1,
    )
    only = ("--sets", "*-tel-2", "--pyannote", peer)
    done = run("benchmarks/diarization.py", *small, *only, "--extract_options", *models)
    assert done.returncode == 0, done.stderr
    ours, theirs = rows(done.stdout)
    assert ours["set"] == "simulated, --seed 3 --set 2:20, tel, seed 2"
    parts = [float(ours[part]) for part in ("miss", "false alarm", "confusion")]
    assert 0 < float(ours["DER %"]) == pytest.approx(sum(parts), abs=0.2)
    assert 0 <= float(ours["DER % with 0.25 s collar"]) < float(ours["DER %"])
    assert ours["speakers found / there"].endswith("/2")
    assert (theirs["system"], theirs["DER %"], theirs["speakers found / there"]) == ("pyannote", "0.0", "2/2")
    folder = work / "seed-3-set-2-20"
    (wav,) = (folder / "degraded-2" / "tel").glob("*.wav")
    assert sf.info(wav).samplerate == 8000
    assert float(theirs["× real time (stage 1, stage 2)"]) == pytest.approx(
        sf.info(wav).duration / 4, abs=0.5
    )


def test_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio, calls = tmp_path / "shared" / "data" / "ami", []
    audio.mkdir(parents=True)
    sf.write(audio / "talk.wav", [0.0] * 160_000, RATE)

    def extract(audio: Path, embeddings: Path, options: list[str]) -> Run:
        calls.append(("extract", embeddings.exists(), *options))
        embeddings.mkdir(parents=True, exist_ok=True)
        return Run("", 2.0, 1.0)

    def run_peer(python: Path, script: Path, audio: Path, out: Path) -> dict[str, float]:
        calls.append(("peer", script.name))
        out.mkdir()
        return {"pipeline": 5.0, "commands": 6.0}

    monkeypatch.setattr(diarization, "extract", extract)
    monkeypatch.setattr(diarization, "detect", lambda *_: Run("", 0.5, 0.25))
    monkeypatch.setattr(diarization, "run_peer", run_peer)
    monkeypatch.setattr(diarization, "error_cells", lambda *_: {})

    def measured(*more: str) -> tuple[str, str, str]:
        options = parse_arguments(diarization.make_parser(), ["--shared", str(tmp_path / "shared"), *more])
        ours = diarization.measure_ours(CLEAN[0], options, tmp_path / "work")
        theirs = diarization.measure_pyannote(CLEAN[0], options, tmp_path / "work")
        speed, cpu = diarization.COST
        return ours[speed], ours[cpu], theirs[speed]

    assert measured("--extract_options", "--channel", "0") == ("4 (5, 20)", "450 (360, 90)", "2")
    assert measured() == ("4 (5, 20)", "450 (360, 90)", "2")
    assert measured("--keep_embeddings") == ("– (kept, 20)", "– (kept, 90)", "2")
    stage_1 = [call for call in calls if call[0] == "extract"]
    assert stage_1 == [("extract", False, "--channel", "0"), ("extract", False), ("extract", True)]
    assert calls.count(("peer", "run_pyannote.py")) == 1, "what it says of this audio does not change"


def rows(table: str) -> list[dict[str, str]]:
    head, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]
