"""The benchmark that splits the error: its first line is what `diar score der` says, and truth only helps."""

import re
from pathlib import Path

import pytest

from diar.formats.rttm import read_turns
from diar.score.der import score_turns
from tests.commands import run


def test_the_ceilings_of_real_excerpts(
    shared_dir: Path, campplus_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    audio, embeddings, result = tmp_path / "audio", tmp_path / "embeddings", tmp_path / "result"
    audio.mkdir()
    for name in ("trn01.wav", "trn01.rttm", "trn04.wav", "trn04.rttm", "trn08.wav", "trn08.rttm"):
        (audio / name).symlink_to(shared_dir / "data" / "ami" / name)
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir)
    run("extract_embeddings_multigpu.py", "--input_dir", audio, "--output_dir", embeddings, *models)
    run("detect_boundaries.py", "--task", "turns", "--embeddings_dir", embeddings, "--output_dir", result)
    scored = score_turns(read_turns(audio), read_turns(result)).pooled
    done = run("benchmarks/ceiling.py", "--embeddings", embeddings, "--reference", audio)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^(.+?) +([\d.]+) \(([\d.]+), ([\d.]+), ([\d.]+)\)$", done.stdout, re.MULTILINE)
    der = {name: float(value) for name, value, *_ in lines}
    assert list(der) == ["diar", "right labels", "right people", "two at most"]
    assert der["diar"] == pytest.approx(100 * scored.der, abs=0.5)
    assert 0 < der["two at most"] < der["right people"] < min(der["diar"], der["right labels"])
    assert [confused for name, *_, confused in lines if name in ("right people", "two at most")] == [
        "0.0"
    ] * 2
