"""From audio of real voices to turns and their score, by the three commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile as sf

from diar.outputs.turns import recording_folder
from tests.commands import detect, extract, run_diar


@pytest.fixture(scope="module")
def archive(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conversation of a minute with its truth beside it."""
    folder = tmp_path_factory.mktemp("conversations")
    simulator = shared_dir / "tools" / "simulate_conversations.py"
    options = ("--seed", "4", "--set", "3:60")
    subprocess.run([sys.executable, simulator, folder, *options], check=True, capture_output=True)
    return folder


def test_a_conversation_of_three(
    archive: Path, campplus_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--workers", 1)
    done = extract(archive, tmp_path / "E", *models)
    assert done.returncode == 0, done.stderr
    options = ("--reference", archive, "--speaker_audio", "clips", "--processes", 1)
    done = detect(tmp_path / "E", tmp_path / "R", "--task", "turns", *options)
    assert done.returncode == 0, done.stderr
    scored = run_diar("score", "der", "--reference", archive, "--hypothesis", tmp_path / "R", "--json")
    assert scored.returncode == 0, scored.stderr
    pooled = json.loads(scored.stdout)["pooled"]
    assert pooled["der"] < 0.25
    assert pooled["confusion"] < 0.05 * pooled["speech"]
    assert pooled["count_error"] == 0
    folder = tmp_path / "R" / recording_folder("conversation0_3speakers.wav")
    assert (folder / "timeline.png").read_bytes().startswith(b"\x89PNG")
    clips = [sf.info(clip).duration for clip in folder.glob("speakers/*/*.wav")]
    assert 0.5 * pooled["speech"] < sum(clips) < 1.1 * pooled["speech"]
