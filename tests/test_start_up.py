"""What a command imports: only what it uses, so that it starts at once. Seconds: benchmarks/startup.py."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.commands import RATE, ROOT, clean_environment

# Runs a command, then names what is imported, and checks that the end does not look for garbage
RUN = """
import atexit, gc, json, sys
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # runs after what is registered later
from diar.cli import main
assert main(sys.argv[1:]) == 0
print(json.dumps(sorted(sys.modules)))
"""
NETWORKS = ("--segmentation", "segmentation-3.0", "--speech", "segmentation", "--device", "cpu")
HEAVY = {"torch", "numpy", "pyarrow", "scipy", "sklearn", "matplotlib", "pandas", "pydantic", "fsspec", "av"}


def imported_by(code: str, *arguments: object) -> tuple[set[str], list[str]]:
    """The modules that are imported at the end of `code`, and the lines that it printed."""
    call = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(call, cwd=ROOT, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("["))
    return set(json.loads(lines[place])), lines[:place] + lines[place + 1 :]


@pytest.fixture(scope="module")
def embeddings(
    conversation: np.ndarray, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Of one file, by stage 1 in one process: that much is asserted here."""
    folder = tmp_path_factory.mktemp("start-up")
    (folder / "audio").mkdir()
    sf.write(folder / "audio" / "a.wav", conversation[: 14 * RATE], RATE, subtype="PCM_16")
    names = ("--input_dir", folder / "audio", "--output_dir", folder / "E", "--model_dir", tiny_model_dir)
    pandas = f"import diar; assert len(diar.Archive({str(folder / 'E')!r}).to_pandas()) == 1"
    modules, lines = imported_by(RUN + pandas, "extract", *names, *NETWORKS)
    assert not modules & {"sklearn", "matplotlib", "pandas", "PIL"}, "but `to_pandas` finds it"
    assert lines == ["True"]
    run = json.loads((folder / "E" / "extraction_stats.json").read_text())["this_run"]
    assert len(run["ranks"]) == 1
    return folder / "E"


@pytest.mark.parametrize("code", ["import diar", "import diar.cli; diar.cli.main(['--help'])"])
def test_nothing_heavy_is_imported_before_it_is_known_what_is_wanted(code: str) -> None:
    modules, _ = imported_by(f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))")
    assert not modules & HEAVY


def test_stage_2_imports_what_its_task_uses(embeddings: Path, tmp_path: Path) -> None:
    place = ("--embeddings_dir", embeddings, "--output_dir")
    modules, _ = imported_by(RUN, "detect", *place, tmp_path / "R", "--task", "turns")
    assert (tmp_path / "R" / "recordings" / "a.wav" / "timeline.png").exists(), "a picture without Matplotlib"
    never = {"torch", "sklearn", "pandas", "fsspec", "av", "soundfile", "scipy.ndimage", "numpy.f2py", "yaml"}
    assert not modules & {*never, "matplotlib", "scipy.optimize"}
    files = ("--task", "files", "--place", "none")
    modules, _ = imported_by(RUN, "detect", *place, tmp_path / "F", *files, "--no_plot")
    assert not modules & {*never, "matplotlib", "scipy.optimize"}
    modules, _ = imported_by(RUN, "detect", *place, tmp_path / "P", *files)
    assert "matplotlib" in modules and not modules & {*never, "matplotlib.pyplot"}


@pytest.mark.parametrize("workers", [(), ("--workers", 1)])
def test_diarize_leaves_torch_to_other_processes(
    embeddings: Path, tiny_model_dir: Path, tmp_path: Path, workers: tuple[object, ...]
) -> None:
    asked = (embeddings.parent / "audio", "-o", tmp_path / "R", "--model_dir", tiny_model_dir)
    modules, _ = imported_by(RUN, "diarize", *asked, *NETWORKS, *workers)
    assert not modules & {"torch", "sklearn", "matplotlib", "pandas", "scipy.optimize"}
    tracks = "a.wav.parquet"
    assert (tmp_path / "R" / "embeddings" / tracks).read_bytes() == (embeddings / tracks).read_bytes()
