"""The generated page of options is current, and all pages name only options and messages that exist."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from diar.cli import COMMANDS
from diar.options.base import describe_option, options_of
from tests.commands import ROOT
from tests.docs.pages import PAGES, name_of, prose

sys.path.insert(0, str(ROOT / "docs"))

import generate_options
import run_blocks

READ = [page for page in PAGES if page.parent.name != "decisions" and page.name != "CHANGELOG.md"]
# Options of other programs: launch/, pip, pytest, ruff, torchrun, Slurm, Docker
FOREIGN = {
    "nproc-per-node",
    "max-restarts",
    "nodes",
    "gpus-per-node",
    "build",
    "check",
    "collect-only",
    "data-binary",
    "signal",
    "parsable",
    "array",
    "rdzv-backend",
    "rdzv-endpoint",
    "master-addr",
    "backend-store-uri",  # MLflow's
    "artifacts-destination",
    "env-manager",
    "build-arg",
    "sbom",
    "rm",
    "for",
    "model-repository",  # of tritonserver
}


def test_the_page_is_current() -> None:
    page = generate_options.PAGE.read_text(encoding="utf-8")
    assert page == generate_options.render(), "run: python docs/generate_options.py"


def test_the_page_has_every_command_and_option() -> None:
    page = generate_options.PAGE.read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"\n## diar {name}\n" in page
    for name, field in options_of(generate_options.command_class("detect")).items():
        switched_off = field.annotation is bool and field.default
        assert f"`--{'no_' if switched_off else ''}{name}`" in page
        assert describe_option(field)["group"] in page


@cache
def known_flags() -> set[str]:
    """Every flag of every command, and of the benchmarks and scripts of docs."""
    flags = {"config", "help", "version", *FOREIGN}
    for command in COMMANDS:
        for name, field in options_of(generate_options.command_class(command)).items():
            flags |= {name, f"no_{name}"} if field.annotation is bool else {name}
    for script in (ROOT / "benchmarks").glob("*.py"):
        flags |= set(re.findall(r'"--([a-z_]+)"', script.read_text(encoding="utf-8")))
    return flags


@pytest.mark.parametrize("page", READ, ids=name_of)
def test_pages_name_options_that_exist(page: Path) -> None:
    named = re.findall(r"(?<![\w-])--([a-z][\w-]*)", page.read_text(encoding="utf-8"))
    assert not [flag for flag in named if not {flag, flag.replace("-", "_")} & known_flags()]


@pytest.mark.parametrize("page", READ, ids=name_of)
def test_pages_name_commands_that_exist(page: Path) -> None:
    texts = [block.text for block in run_blocks.blocks_of(page)]
    texts += re.findall(r"`(diar [^`\n]+)`", prose(page))
    named = [re.match(r"diar ([a-z]+)", text) for text in texts if not run_blocks.not_run(text)]
    assert not {found[1] for found in named if found} - {name.split()[0] for name in COMMANDS}


def string_constants() -> Iterator[str]:
    for path in (ROOT / "diar").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_troubleshooting_quotes_messages_that_exist() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("## Troubleshooting")[2]
    quoted = [
        quote for line in table.splitlines() for quote in re.findall(r"`([^`-]{12,})`", line.split(" | ")[0])
    ]
    pieces = [piece.strip(" ,)") for quote in quoted for piece in re.split(r"…|\bN\b|\d+|\(|, but", quote)]
    told = "\n".join(string_constants())
    assert len(quoted) >= 5
    assert not [piece for piece in pieces if piece and piece not in told]
