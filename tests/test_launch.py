"""The recipes of `launch/` are read by their shells, and give options that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from diar.jobs.detect.config import DetectConfig
from diar.jobs.extract.config import ExtractConfig
from tests.commands import ROOT

LAUNCH = ROOT / "launch"
SHELL = [*LAUNCH.glob("*.sh"), LAUNCH / "slurm.sbatch"]
RECIPES = ["slurm.sbatch", "compose.yaml", "kubernetes.yaml"]  # of both stages, on other machines
STAGES = {
    r"diar extract|extract_embeddings_multigpu\.py": ExtractConfig,
    r"diar detect|detect_boundaries\.py": DetectConfig,
}


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_shells_can_read_it(script: Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_yaml_can_be_read_and_its_shell_commands_too() -> None:
    (compose,) = yaml.safe_load_all((LAUNCH / "compose.yaml").read_text())
    *_, job = yaml.safe_load_all((LAUNCH / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    scripts = [*compose["services"]["diar"]["command"], *container["args"]]
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script.replace("$$", "$"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert len(scripts) == 2


@pytest.mark.parametrize("recipe", RECIPES)
def test_both_stages_run_with_turns_and_options_that_exist(recipe: str) -> None:
    text = (LAUNCH / recipe).read_text().replace("\\\n", " ")
    for stage, config in STAGES.items():
        (options,) = re.findall(rf"^[^#\n]*(?:{stage}) (--.*)$", text, re.MULTILINE)
        given = dict(re.findall(r"--(\w+) (\S+)", options))
        assert set(given) <= set(config.model_fields)
        assert {"output_dir"} < set(given)
        assert config is ExtractConfig or given["task"] == "all"


@pytest.mark.parametrize("recipe", ["Dockerfile", "slurm.sbatch"])
def test_weights_are_fetched_before_the_network_is_gone(recipe: str) -> None:
    text = (LAUNCH / recipe).read_text()
    assert re.search(r"^(RUN|\.venv/bin/python -m) diar models fetch( [#&]|$)", text, re.MULTILINE)


def test_git_leaves_out_what_the_quick_start_writes() -> None:
    (default,) = re.findall(r"^result=\$\{2:-(.+)\}$", (LAUNCH / "quickstart.sh").read_text(), re.MULTILINE)
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    call = ["git", "-c", "safe.directory=*", "check-ignore", f"{default}/result/all.rttm"]
    assert subprocess.run(call, cwd=ROOT, capture_output=True).returncode == 0


def test_the_image_has_all_that_building_reads() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (LAUNCH / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for pattern in line.split() for name in ROOT.glob(pattern)}
    read = re.findall(r'"?([\w./-]+\.md|LICENSE)"', (ROOT / "pyproject.toml").read_text())
    assert {"LICENSE", "THIRD_PARTY_NOTICES.md"} < set(read)
    assert {ROOT / name for name in read} <= names
