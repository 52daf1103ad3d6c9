"""The rules that keep the house: imports go one way, and heavy packages stay in their rooms."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "diar").rglob("*.py"))

# room → rooms it may import; leaves (arguments, config, errors, archive.storage) may be imported by all
ALLOWED = {
    "archive": set(),
    "models": {"archive"},
    "store": {"archive.storage"},
    "extract": {"archive", "models", "store"},
    "outputs": {"archive", "store"},
    "detect": {"store", "outputs"},
    "score": {"outputs"},
    "demo": set(),
}
LEAVES = {"arguments", "config", "errors", "archive.storage"}
TORCH_FREE = ("archive", "store", "detect", "outputs", "score", "demo")


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "diar").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(path)
    if room not in ALLOWED:
        return  # cli, config, errors: the doors and the leaves
    allowed = ALLOWED[room] | {room} | LEAVES
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] != "diar" or len(parts) == 1 or parts[1] == "__version__":
            continue
        inner = ".".join(parts[1:])
        known = any(inner == rule or inner.startswith(rule + ".") for rule in allowed)
        parent_of_leaf = any(rule.startswith(inner + ".") for rule in allowed)
        assert known or parent_of_leaf, f"diar/{room} must not import {module}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    tops = {module.split(".")[0] for module in imported_modules(path)}
    room = room_of(path)
    if room in TORCH_FREE:
        assert "torch" not in tops
    if path.relative_to(ROOT / "diar").as_posix() != "archive/storage.py":
        assert "fsspec" not in tops


@pytest.mark.parametrize(
    "module", ["diar.cli", "diar.jobs.detect.boundaries", "diar.store.reader", "diar.jobs.progress.status"]
)
def test_stage_2_and_help_do_not_load_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_importing_the_package_changes_no_thread_settings() -> None:
    code = (
        "import os, torch\n"
        "def threads():\n"
        "    return {k: v for k, v in os.environ.items() if 'THREADS' in k}, torch.get_num_threads()\n"
        "before = threads()\n"
        "import diar.jobs.extract.run, diar.models.encoders.wespeaker, diar.jobs.detect.boundaries\n"
        "assert threads() == before"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
