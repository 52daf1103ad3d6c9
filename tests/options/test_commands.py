"""The options system through the real commands: every command, its positionals, YAML and environment."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from diar.cli import COMMANDS, main
from diar.errors import EXIT_CODES, EXIT_ERROR, EXIT_OK
from tests.commands import OPTION_PREFIXES, ROOT, run

SCRIPTS = {"extract_embeddings_multigpu.py": "diar extract", "detect_boundaries.py": "diar detect"}


@pytest.fixture(autouse=True)
def no_options_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(OPTION_PREFIXES)]:
        monkeypatch.delenv(name)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[str, str]:
    """A reference, and a hypothesis that ends 0.2 s early."""
    reference, hypothesis = tmp_path / "reference.rttm", tmp_path / "hypothesis.rttm"
    reference.write_text("SPEAKER a 1 0.000 4.000 <NA> <NA> anna <NA> <NA>\n")
    hypothesis.write_text("SPEAKER a 1 0.000 3.800 <NA> <NA> 1 <NA> <NA>\n")
    return str(reference), str(hypothesis)


def write_yaml(tmp_path: Path, text: str) -> str:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*name.split(), "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: diar {name} [-h] [--config FILE]")
    if name != "models list":  # it has nothing to choose
        assert "example" in told and f"\n  diar {name} " in told
    assert not any(script in told for script in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_explains_itself_under_its_own_name(script: str) -> None:
    told = run(script, "--help").stdout
    assert told.startswith(f"usage: {script} [-h]") and f"\n  {script} --" in told
    assert SCRIPTS[script] not in told and "{" not in told.partition("examples:")[2]


def test_no_module_names_a_script() -> None:
    """Messages are for those, too, who installed a wheel and have no scripts."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "diar").rglob("*.py")]
    assert not [script for script in SCRIPTS for text in texts if script in text]


def test_help_lists_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == EXIT_OK
    told = capsys.readouterr().out
    assert all(f"  {name} " in told for name in COMMANDS)
    assert all(f"  {code}  {meaning}" in told for code, meaning in EXIT_CODES.items())


def test_help_imports_neither_options_nor_commands() -> None:
    code = (
        "import sys, diar.cli; diar.cli.main(['--help']); "
        "sys.exit(bool({'pydantic', 'yaml', 'numpy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["score", "--help"], EXIT_OK), (["score"], EXIT_ERROR), (["score", "x"], EXIT_ERROR)],
)
def test_a_group_lists_its_commands(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    told = capsys.readouterr()
    assert "score boundaries" in told.out + told.err and "score der" in told.out + told.err
    assert "models list" not in told.out + told.err


@pytest.mark.parametrize(
    ("given", "meant"),
    [("extrakt", "extract"), ("score dr", "score der"), ("fetch", "models fetch"), ("Detect", "detect")],
)
def test_an_unknown_command_is_named(given: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given.split()) == EXIT_ERROR
    told = f"there is no command `diar {given}`; did you mean `diar {meant}`?"
    assert told in capsys.readouterr().err


def test_a_positional_may_be_given_by_place_flag_environment_and_yaml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    yaml = write_yaml(tmp_path, "name: segmentation-3.0\n")
    for arguments in (["segmentation-3.0"], ["--name", "segmentation-3.0"], ["--config", yaml]):
        assert main(["models", "show", *arguments]) == EXIT_OK
        told.append(capsys.readouterr().out)
    monkeypatch.setenv("DIAR_MODELS_SHOW_NAME", "segmentation-3.0")
    assert main(["models", "show"]) == EXIT_OK
    told.append(capsys.readouterr().out)
    assert told[0].startswith("name      segmentation-3.0") and set(told) == {told[0]}
    assert main(["models", "show", "campplus-zh-en"]) == EXIT_OK
    assert capsys.readouterr().out.startswith("name      campplus-zh-en")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere", "--failures"],
        ["--failures", "nowhere"],
        ["--output-dir", "nowhere", "--warnings"],
        ["--warnings", "--output_dir=nowhere", "--failures"],
    ],
)
def test_positionals_and_flags_come_in_any_order(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *arguments]) == EXIT_ERROR
    assert "error: nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["models", "show"], "error: NAME is required: a name of `diar models list`"),
        (["demo"], "error: OUT is required: folder to write to"),
        (["score", "der", "a.rttm"], "error: HYPOTHESIS is required"),
        (["demo", "OUT", "--speakers", "many"], "error: --speakers 'many' (from flag)"),
        (["demo", "OUT", "--speakers", "1"], "error: --speakers 1: the demo has voices for 2 to"),
        (
            ["models", "show", "camplus"],
            "names are campplus-zh-en, segmentation-3.0, segmentation-2022.07, whisper-tiny.en, ",
        ),
        (["models", "fetch", "camplus"], "; did you mean campplus-zh-en?"),
        (["detect", "--preset", "generl"], "'telephone' is needed; did you mean general?"),
        (
            ["extract", "--input_dir", "A", "--output_dir", "./A/"],
            "--input_dir are the same place",
        ),
        (["detect", "--embeddings_dir", "E", "--output_dir", "E"], "and --embeddings_dir are the same place"),
        (["detect", "--embeddings_dir", "E", "--output_dir", "E/R"], "lies inside --embeddings_dir E"),
    ],
)
def test_a_bad_request_is_named(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == EXIT_ERROR
    assert named in capsys.readouterr().err


def test_what_no_option_takes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, told in (
        (["status", "E", "F"], "'F' belongs to no option"),
        (["status", "E", "--failure"], "there is no option --failure; did you mean --failures?"),
        (["status", "E", "-v"], "there is no option -v, options begin with two dashes"),
        (["models", "list", "E"], "'E' belongs to no option"),
        (["detect", "--plot"], "--plot: it is on already, --no_plot switches it off"),
        (["detect", "--use_gmm", "true"], "--use_gmm takes no value, and 'true' follows it"),
        (["detect", "--embeddings", "E"], "did you mean --embeddings_dir?"),
        (["detect", "--output_dir"], "--output_dir: expected one argument"),
    ):
        assert main(arguments) == EXIT_ERROR
        error = capsys.readouterr().err
        assert told in error
        assert re.search(r"\n`diar (status|detect|models list) --help` lists all options\n$", error)


def test_small_commands_read_flag_over_environment_over_yaml(
    sides: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def scored(*arguments: str) -> dict:
        assert main(["score", "der", *sides, *arguments]) == EXIT_OK
        return json.loads(capsys.readouterr().out)

    plain = scored("--json")
    assert (plain["options"]["collar_each_side"], plain["pooled"]["der"]) == (0, 0.05)
    file = write_yaml(tmp_path, "collar: 0.1\nskip-overlap: true\njson: true\n")
    assert scored("--config", file)["options"]["collar_each_side"] == 0.1
    monkeypatch.setenv("DIAR_SCORE_DER_COLLAR", "0.25")
    found = scored("--config", file)
    assert (found["options"]["collar_each_side"], found["options"]["skip_overlap"]) == (0.25, True)
    assert found["pooled"]["der"] == 0
    assert scored("--config", file, "--collar", "0.5")["options"]["collar_each_side"] == 0.5


def test_unknown_keys_of_small_commands_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["demo", "OUT", "--config", write_yaml(tmp_path, "speaker: 3\n")]) == EXIT_ERROR
    assert "unknown option speaker; did you mean speakers?" in capsys.readouterr().err
    assert main(["demo", "OUT", "--config", write_yaml(tmp_path, "xyz: 3\n")]) == EXIT_ERROR
    assert "unknown option xyz; known: out, speakers, files" in capsys.readouterr().err
    assert main(["detect", "--config", write_yaml(tmp_path, "no-plot: true\n")]) == EXIT_ERROR
    assert "unknown option no_plot; set plot to false" in capsys.readouterr().err
    monkeypatch.setenv("DIAR_STATUS_FAILURE", "1")
    assert main(["status", "E"]) == EXIT_ERROR
    told = "environment: unknown option DIAR_STATUS_FAILURE; did you mean DIAR_STATUS_FAILURES?"
    assert told in capsys.readouterr().err


def test_a_plan_reads_the_run_it_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options of stage 1 keep their variables, a plan's own have others; one file may hold both."""
    file = write_yaml(tmp_path, f"hop: 0.25\nhours: 1000\nnum_gpus: [4]\njson: {tmp_path}/plan.json\n")
    monkeypatch.setenv("DIAR_PLAN_RTF", "0.001")

    def disk() -> float:
        assert main(["plan", "--config", file, "--utilisation", "1"]) == EXIT_OK
        plan = json.loads((tmp_path / "plan.json").read_text())
        assert [(run["workers"], run["hours"]) for run in plan["runs"]] == [(4, 0.25)]
        return plan["archive"]["disk_bytes"]

    from_yaml = disk()
    monkeypatch.setenv("DIAR_EXTRACT_HOP", "0.5")
    from_environment = disk()
    assert from_environment < from_yaml
    monkeypatch.setenv("DIAR_EXTRACT_PRICE", "1")
    assert main(["plan", "--config", file]) == EXIT_ERROR
    assert "unknown option DIAR_EXTRACT_PRICE" in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["DIAR_DETCT_PRESET", "DIAR_DETECTION_PRESET", "DIAR_Detect_PRESET"])
def test_a_variable_of_nearly_this_command_is_not_ignored(
    variable: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAR_EXTRACT_STEP", "4")  # of another command
    monkeypatch.setenv(variable, "general")
    assert main(["detect", "--embeddings_dir", "E", "--output_dir", "R"]) == EXIT_ERROR
    told = f"environment variable {variable} belongs to no command; did you mean DIAR_DETECT_PRESET?"
    assert told in capsys.readouterr().err
