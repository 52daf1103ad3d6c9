"""The rules that keep the house: imports go one way, heavy packages stay in their rooms, rooms stay small."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "diar").rglob("*.py"))

LEAVES = {  # all may import them
    *("errors", "storage", "remote", "records", "intervals", "options", "wording", "spawning", "extras"),
    *("texts", "leases", "letters"),
}
# room → what else it may import; a room that is not named here may import everything
ALLOWED = {
    **{leaf: set() for leaf in LEAVES},
    "archive": set(),
    "models": {"connectors.mlflow"},
    "store": set(),
    "detect": set(),
    "formats": set(),
    "demo": set(),
    "voices": {"demo", "formats", "models"},
    "align": {"formats"},
    "asr": {"align", "models"},
    "enhance": {"models"},
    "export": {"models"},
    "embedding": {"models"},
    "online": {"embedding", "models", "detect", "align", "formats"},
    "reading": {"archive", "embedding", "store"},
    "api": {
        *("archive", "models", "embedding", "store", "detect", "formats", "reading", "plots"),
        *("asr", "align", "enhance"),
    },
    "plots": {"formats"},
    "outputs": {"archive", "store", "formats", "plots"},
    "score": {"formats", "plots", "connectors.mlflow", "connectors.prometheus"},
    "custody": {"store", "outputs", "formats"},
    "jobs.ranks": set(),
    "service": {
        *("api", "online", "models", "formats", "asr", "align", "voices", "export"),
        *("connectors.mlflow", "connectors.prometheus"),
    },
    "connectors.kafka": {
        *("api", "archive", "asr", "embedding", "formats", "models", "online", "reading", "store", "service"),
    },
    "connectors.mlflow": set(),  # REST alone; what it serves goes through the face
    "connectors.prometheus": {"formats", "models", "jobs.progress"},
}
TORCH = {
    "asr",
    "models",
    "embedding",
    "export",
    "online",
    "jobs.extract",
    "jobs.ranks",
    "jobs.cost",
    "jobs.words",
}
MATPLOTLIB = {"plots", "score"}
JOBS = {"jobs", "cli", "connectors"}  # that may import jobs, besides the two scripts
PRINTING = {"cli.py", "command.py", "terminal.py", "logs.py"}  # modules that may print, besides those of jobs
LIBRARY = {
    "custody",
    "enhance",
    "export",
    "align",
    "api",
    "asr",
    "reading",
    "online",
    "archive",
    "models",
    "embedding",
    "detect",
    "store",
    "formats",
    "plots",
    "outputs",
    "score",
}
MOST_MODULES = 15  # in a folder
MOST_LINES = 300  # in a file
LONGEST_FUNCTION = 47  # lines, with its docstring
MEDIAN_FUNCTION = 6  # lines, without


def imported_modules(path: Path) -> set[str]:
    """What a file imports: modules, and what it takes from them, which may be modules, too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


def room(inner: str) -> str:
    """The room of a module below `diar`: the first part of its name, of jobs and connectors two."""
    parts = inner.split(".")
    return ".".join(parts[:2] if parts[0] in ("jobs", "connectors") else parts[:1])


def room_of(path: Path) -> str:
    return room(".".join(path.relative_to(ROOT / "diar").with_suffix("").parts))


def rooms_imported(path: Path) -> set[str]:
    inner = {module.removeprefix("diar.") for module in imported_modules(path) if module.startswith("diar.")}
    return {room(module) for module in inner if not module.startswith("__version__")}


def each_source() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


@each_source()
def test_imports_go_one_way(path: Path) -> None:
    own = room_of(path)
    imported = rooms_imported(path) - {own}
    if own not in JOBS and not own.startswith("jobs."):
        allowed = ALLOWED.get(own, set())
        assert not {other for other in imported - allowed if other.split(".")[0] == "jobs"}
    if own in ALLOWED:
        assert imported <= ALLOWED[own] | LEAVES, (
            f"diar/{own} must not import {imported - ALLOWED[own] - LEAVES}"
        )


@each_source()
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    tops = {module.split(".")[0] for module in imported_modules(path)}
    own = room_of(path)
    if own not in TORCH:
        assert "torch" not in tops
    if own not in MATPLOTLIB:
        assert "matplotlib" not in tops
    if own != "remote":
        assert "fsspec" not in tops


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {module_name(path): path for path in SOURCES}
    imports = {name: {m for m in imported_modules(path) if m in names} for name, path in names.items()}
    done: set[str] = set()

    def follow(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join([*way, name])
        if name not in done:
            for other in sorted(at_module_level(names[name]) & imports[name]):
                follow(other, (*way, name))
            done.add(name)

    for name in names:
        follow(name, ())


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def at_module_level(path: Path) -> set[str]:
    """What a file imports as soon as it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules


def test_rooms_and_files_stay_small() -> None:
    folders = {path.parent for path in SOURCES}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := sum(path.name != "__init__.py" for path in folder.glob("*.py"))) > MOST_MODULES
    }
    assert not crowded
    long = {str(path.relative_to(ROOT)): count for path in SOURCES if (count := lines(path)) > MOST_LINES}
    assert not long


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_functions_fit_a_screen() -> None:
    long, sizes = {}, []
    for path in SOURCES:
        for function in functions(path):
            size = span(function)
            if size > LONGEST_FUNCTION:
                long[f"{path.relative_to(ROOT)}:{function.name}"] = size
            first = function.body[0]
            sizes.append(size - (span(first) if ast.get_docstring(function) is not None else 0))
    assert not long
    assert statistics.median(sizes) <= MEDIAN_FUNCTION


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def span(node: ast.stmt) -> int:
    """Lines of a statement, decorators not counted."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


@each_source()
def test_only_jobs_and_commands_print(path: Path) -> None:
    if room_of(path).startswith("jobs") or path.name in PRINTING:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            assert node.id != "print", f"line {node.lineno} prints"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            told = f"{node.value.id}.{node.attr}"
            assert told not in ("sys.stdout", "sys.stderr"), f"line {node.lineno} uses {told}"


@each_source()
def test_library_messages_name_parameters_not_flags(path: Path) -> None:
    if room_of(path) not in LIBRARY or path.name in ("command.py", "config.py"):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            words = " " in node.value  # a bare flag is an argument of another program
            assert not (words and re.search(r"--[a-z]", node.value)), f"line {node.lineno}: {node.value}"


@pytest.mark.parametrize(
    "module",
    [
        "diar.cli",
        "diar.jobs.detect.boundaries",
        "diar.jobs.diarize.command",
        "diar.store.reader",
        "diar.jobs.progress.status",
    ],
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
