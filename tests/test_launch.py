"""The recipes of `launch/` are read by their shells, and give options that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from diar.cli import COMMANDS, main
from diar.jobs.detect.config import DetectConfig
from diar.jobs.extract.config import ExtractConfig
from diar.service.config import ServeConfig
from tests.commands import ROOT

LAUNCH = ROOT / "launch"
SHELL = [*LAUNCH.glob("*.sh"), *LAUNCH.glob("*.sbatch")]
RECIPES = [
    "slurm.sbatch",
    "slurm_torchrun.sbatch",
    "compose.yaml",
    "kubernetes/base/nightly.yaml",
]  # both stages
STAGES = {
    r"diar extract|extract_embeddings_multigpu\.py": ExtractConfig,
    r"diar detect|detect_boundaries\.py": DetectConfig,
}


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_shells_can_read_it(script: Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (LAUNCH / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for pattern in line.split() for name in ROOT.glob(pattern)}
    read = re.findall(r'"?([\w./-]+\.md|LICENSE)"', (ROOT / "pyproject.toml").read_text())
    assert {"LICENSE", "THIRD_PARTY_NOTICES.md"} < set(read)
    assert {ROOT / name for name in read} <= names


def test_recipes_of_the_service_give_options_that_exist() -> None:
    (compose,) = yaml.safe_load_all((LAUNCH / "compose.yaml").read_text())
    _, deployment = yaml.safe_load_all((LAUNCH / "kubernetes/base/serve.yaml").read_text())
    *_, scaler = yaml.safe_load_all((LAUNCH / "kubernetes/base/serve-scaling.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (command,) = compose["services"]["serve"]["command"]
    given = re.findall(r"--(\w+)", " ".join([command, *container["args"]]))
    assert {"host", "jwt_secret_file", "redis", "open_metrics"} < set(given) <= set(ServeConfig.model_fields)
    assert container["env"][0]["name"] == ServeConfig.environment_prefix + "REDIS"
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")}
    assert paths == {"/readyz", "/healthz"}
    assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == "diar_streams_active"


@pytest.mark.parametrize("name", ["workers.yaml", "workers-audio.yaml"])
def test_workers_of_streams_give_options_that_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "stream work" not in COMMANDS:
        pytest.skip("there is no connector for Kafka")
    deployment, *_ = yaml.safe_load_all((LAUNCH / "kubernetes/overlays/kafka" / name).read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["diar", "stream", "work"]
    given = {flag for argument in container["args"] for flag in re.findall(r"^--(\w+)", argument)}
    with pytest.raises(SystemExit):
        main(["stream", "work", "--help"])
    assert given <= set(re.findall(r"--(\w+)", capsys.readouterr().out))


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
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
