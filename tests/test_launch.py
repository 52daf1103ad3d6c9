"""The recipes of `launch/` are read by their shells, and give options that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from diar.jobs.detect.config import DetectConfig
from diar.jobs.extract.config import ExtractConfig
from diar.service.config import ServeConfig
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


def test_recipes_of_the_service_give_options_that_exist(tmp_path: Path) -> None:
    (compose,) = yaml.safe_load_all((LAUNCH / "serve.compose.yaml").read_text())
    *_, deployment, _, scaler = yaml.safe_load_all((LAUNCH / "serve.kubernetes.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    commands = [*compose["services"]["serve"]["command"], *compose["services"]["redis"]["command"]]
    for script in commands:
        done = subprocess.run(["bash", "-n"], input=script.replace("$$", "$"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    given = re.findall(r"--(\w+)", commands[0]) + [word[2:] for word in container["args"] if word[:2] == "--"]
    assert {"host", "jwt_secret_file", "redis"} < set(given) <= set(ServeConfig.model_fields)
    assert container["env"][0]["name"] == ServeConfig.environment_prefix + "REDIS"
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")}
    assert paths == {"/readyz", "/healthz"}
    assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == "diar_streams_active"
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    text = (LAUNCH / "nginx.conf").read_text().replace("serve:8000", "127.0.0.1:8000")
    call = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    call += ["-subj", "/CN=x", "-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    subprocess.run(call, check=True, capture_output=True)
    (tmp_path / "nginx.conf").write_text(text.replace("/etc/nginx/tls", str(tmp_path)))
    check = ["nginx", "-t", "-q", "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-g", f"pid {tmp_path}/pid;"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
