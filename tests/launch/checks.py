"""Every manifest and recipe of launch/, checked by the tool that knows its rules."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from tests.commands import ROOT
from tests.launch import manifests

LAUNCH = ROOT / "launch"
SHELL = sorted([*LAUNCH.glob("*.sh"), *LAUNCH.glob("*.sbatch")])
TESTS = Path(__file__).resolve().parent
VALID, INVALID, MISSING = "valid", "NOT VALID", "not checked"
Row = tuple[str, str, str, str]


def check_all() -> Iterator[Row]:
    """Yield a row a check."""
    yield from _kubernetes()
    yield from _containers()
    yield from _shell()
    yield from _watching()
    for path in sorted(LAUNCH.rglob("*.yaml")):
        yield _row(path, "style", "yamllint", lambda path=path: _program("yamllint", "-s", "-d", STYLE, path))


STYLE = json.dumps(
    {
        "extends": "default",
        "rules": {
            "line-length": {"max": 140},
            "document-start": "disable",
            "comments": {"min-spaces-from-content": 1},
            "braces": {"max-spaces-inside": 1},
            "truthy": {"check-keys": False},
            "indentation": {"indent-sequences": "consistent"},
            "comments-indentation": "disable",
        },
    }
)


def _kubernetes() -> Iterator[Row]:
    for path in manifests.files():
        for one in yaml.safe_load_all(path.read_text()):
            kind = f"{one['kind']} {one['metadata']['name']}"
            tool = (
                f"cloudcoil {manifests.LIBRARIES[one['apiVersion']]}"
                if one["apiVersion"] in manifests.LIBRARIES
                else "kubernetes-validate"
            )
            yield _row(path, kind, tool, lambda one=one: manifests.check_schema(one))
    for folder in manifests.OVERLAYS:
        yield _row(folder, "rendered, schemas", "kustomize", lambda folder=folder: _rendered(folder))
        if folder.name != "observe":  # an addition, whose selectors are of the others
            yield _row(
                folder, "selectors, rights, probes", "own rules", lambda folder=folder: _together(folder)
            )


def _rendered(folder: Path) -> None:
    if manifests.kustomize() is None:
        raise FileNotFoundError("kustomize")
    for one in manifests.rendered(folder):
        manifests.check_schema(one)


def _together(folder: Path) -> None:
    if manifests.kustomize() is None:
        raise FileNotFoundError("kustomize")
    manifests.check_together(manifests.rendered(folder))


def _containers() -> Iterator[Row]:
    docker = LAUNCH / "Dockerfile"
    yield _row(docker, "image", "hadolint", lambda: _program("hadolint", docker))
    for path in sorted(LAUNCH.glob("compose*.yaml")):
        yield _row(path, "compose", "compose-spec", lambda path=path: _compose(path))


def _compose(path: Path) -> None:
    _program("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)


def _shell() -> Iterator[Row]:
    for path in SHELL:
        yield _row(path, "script", "shellcheck", lambda path=path: _program("shellcheck", "-x", path))
    for name, script in inner_scripts():
        yield (name[0], name[1], "shellcheck", _verdict(lambda script=script: _inner(script)))


def inner_scripts() -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the shell commands within manifests and compose services, by file and owner."""
    for path in manifests.files():
        for one in yaml.safe_load_all(path.read_text()):
            pod = manifests.pod_of(one)
            spec = pod["spec"] if pod else {}
            for container in [*spec.get("initContainers", ()), *spec.get("containers", ())]:
                if container.get("command", [])[1:] == ["-c"]:
                    yield (str(path.relative_to(ROOT)), f"shell of {container['name']}"), container["args"][0]
    compose = yaml.safe_load((LAUNCH / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        if service.get("entrypoint") == ["sh", "-c"]:
            yield ("launch/compose.yaml", f"shell of {name}"), service["command"][0].replace("$$", "$")


def _inner(script: str) -> None:
    # SC2086, SC2154: codes and paths come from outside; SC2016: single quotes hold compose's own variables
    call = ["-s", "bash", "-e", "SC2086,SC2154,SC2016,SC2148", "-"]
    _program("shellcheck", *call, text=script)


def _watching() -> Iterator[Row]:
    folder = LAUNCH / "prometheus"
    for name in ("rules.yaml", "alerts.yaml"):
        yield _row(
            folder / name,
            "rules",
            "promtool",
            lambda name=name: _program("promtool", "check", "rules", folder / name),
        )
    config = folder / "prometheus.yaml"
    yield _row(config, "configuration", "promtool", lambda: _program("promtool", "check", "config", config))
    for name in ("alerts_fire.yaml", "alerts_rest.yaml"):
        path = TESTS / name
        yield _row(
            path, "tests of alerts", "promtool", lambda path=path: _program("promtool", "test", "rules", path)
        )
    routes = folder / "alertmanager.yaml"
    yield _row(routes, "routes", "amtool", lambda: _program("amtool", "check-config", routes))


def _program(name: str, *arguments: object, text: str | None = None) -> None:
    """Run a tool, beside this Python or in the path; raise what it says, or that it is not there."""
    beside = Path(sys.executable).parent / name
    program = str(beside) if beside.exists() else shutil.which(name)
    if program is None:
        raise FileNotFoundError(name)
    done = subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        raise ValueError((done.stdout + done.stderr).strip())


def _row(path: Path, what: str, tool: str, check: Callable[[], None]) -> Row:
    return str(path.relative_to(ROOT)), what, tool, _verdict(check)


def _verdict(check: Callable[[], None]) -> str:
    try:
        check()
    except (ImportError, FileNotFoundError) as missing:
        return f"{MISSING}: {getattr(missing, 'name', None) or missing} is not installed"
    except Exception as error:
        return f"{INVALID}: {type(error).__name__}: {str(error)[:600]}"
    return VALID


def has_all_tools() -> bool:
    """Whether the packages of the checks are installed."""
    packages = ("kubernetes_validate", "cloudcoil", "yamllint")
    return all(importlib.util.find_spec(name) for name in packages) and shutil.which("promtool") is not None
