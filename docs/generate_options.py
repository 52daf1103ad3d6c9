"""Write docs/options.md from the options of all commands: `python docs/generate_options.py`.

A test compares the page with what this makes.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from unittest import mock

from pydantic.fields import FieldInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from diar.cli import COMMANDS
from diar.detect.presets import PRESETS
from diar.options.base import CommandConfig, describe_option, options_of

PAGE = Path(__file__).resolve().parent / "options.md"
Classes = dict[str, type[CommandConfig]]

INTRODUCTION = """\
# Options of all commands

<!-- made by docs/generate_options.py: change the config.py of a command, then run it -->

What `--help` says, in one place. Every option can also stand in a YAML file (`--config FILE`, lines of
`option: value`) or in the environment. A flag wins over the environment, the environment over the file, the
file over the default. `--input_dir` and `--input-dir` are the same. An option marked ◆ changes the numbers
that stage 1 writes: with another value, stage 1 needs another output directory."""

PRESETS_SECTION = """\
## Presets

What `--preset` of `diar detect` decides, unless one of these options is given. `auto` takes `telephone` where
the spectrum says that the recording is one, else `general`. The threshold of overlap is that of a recording
with a tenth of its speech in overlap; it moves with the recording's own share."""

PRESET_OPTIONS = {
    "onset": "reconstruction",
    "offset": "reconstruction",
    "overlap": "reconstruction",
    "smoothing": "reconstruction",
    "min_duration_on": "turns",
    "min_duration_off": "turns",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """Return the page: a section a command, a table a group of options."""
    classes = {name: command_class(name) for name in COMMANDS}
    sections = [section(name, classes) for name in classes]
    return "\n\n".join([INTRODUCTION, *sections, PRESETS_SECTION, preset_table()]) + "\n"


def command_class(name: str) -> type[CommandConfig]:
    """Return the configuration that a command hands to `run_command`."""
    module_name, function = COMMANDS[name][0].split(":")
    module = importlib.import_module(module_name)
    with mock.patch.object(module, "run_command", return_value=0) as called:
        getattr(module, function)([])
    config_class: type[CommandConfig] = called.call_args.args[1]
    return config_class


def section(name: str, classes: Classes) -> str:
    """Return one command's heading, purpose and tables."""
    config_class = classes[name]
    parts = [f"## diar {name}", f"{sentence(COMMANDS[name][1])} Environment: {variable(config_class)}."]
    shown = shown_options(config_class)
    groups: dict[str, list[str]] = {}
    for option, field in shown.items():
        groups.setdefault(describe_option(field)["group"], []).append(row(option, field))
    parts += [
        "\n".join([f"| {group} | default | |", "|---|---|---|", *rows]) for group, rows in groups.items()
    ]
    if len(shown) < len(options_of(config_class)):
        parts.append(inherited(config_class, classes))
    if not shown:
        parts.append("It has no options.")
    return "\n\n".join(parts)


def variable(config_class: type[CommandConfig]) -> str:
    """Return how an environment variable of a command is called, with its first option."""
    return f"`{config_class.environment_prefix}…`"


def shown_options(config_class: type[CommandConfig]) -> dict[str, FieldInfo]:
    """Return what a section lists: what `--help` does, or what is not another command's."""
    options = options_of(config_class)
    in_help = getattr(config_class, "in_help", None)
    if in_help is None and hasattr(config_class.__base__, "environment_prefix"):
        in_help = set(config_class.__annotations__)
    if in_help is None:
        return options
    attributes = {field.alias or name: name for name, field in config_class.model_fields.items()}
    return {name: field for name, field in options.items() if attributes[name] in in_help}


def inherited(config_class: type[CommandConfig], classes: Classes) -> str:
    """Name the commands whose options a command takes as well, and those that it does not take."""
    bases = {name: other for name, other in classes.items() if other in config_class.__mro__[1:]}
    names = " and ".join(f"[diar {name}](#diar-{name.replace(' ', '-')})" for name in bases)
    known = options_of(config_class)
    missing = [f"`--{name}`" for other in bases.values() for name in options_of(other) if name not in known]
    but = f", but for {', '.join(dict.fromkeys(missing))}" if missing else ""
    return f"It takes the options of {names}, too{but}."


def row(name: str, field: FieldInfo) -> str:
    """Return one option as a line of a table."""
    mark = " ◆" if describe_option(field)["result"] else ""
    off = "switch off: " if field.default is True else ""
    return f"| {spelling(name, field)}{mark} | {default(field)} | {off}{cell(field.description or '')} |"


def spelling(name: str, field: FieldInfo) -> str:
    """Return how an option is written: its flags, and what may follow them."""
    notes = describe_option(field)
    if field.annotation is bool:
        return f"`--no_{name}`" if field.default else f"`--{name}`"
    flags = [flag for flag in (notes.get("short"), f"--{name}") if flag]
    values = f" {cell(' '.join(value_names(field)))}"
    written = ", ".join(f"`{flag}`" for flag in flags) + values
    return f"`{name.upper()}` or {written}" if notes["positional"] else written


def value_names(field: FieldInfo) -> Iterator[str]:
    """Yield the values of an option that has few, else what stands for them."""
    if describe_option(field)["metavar"]:
        yield describe_option(field)["metavar"]
        return
    annotation = field.annotation
    yield ", ".join(dict.fromkeys(kind for part in alternatives(annotation) for kind in kinds(part)))


def alternatives(annotation: Any) -> list[Any]:
    """Split a union into its parts, without None."""
    parts = [] if get_origin(annotation) in (Literal, tuple) else list(get_args(annotation))
    return [part for part in parts if part is not type(None)] or [annotation]


def kinds(annotation: Any) -> Iterator[str]:
    """Yield the words for one type."""
    if get_origin(annotation) is Literal:
        yield from (f"`{value}`" for value in get_args(annotation))
    elif get_origin(annotation) is tuple:
        yield from ("TEXT …" if get_args(annotation)[0] is str else "N,N,…",)
    else:
        names = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
        yield names.get(annotation, "TEXT")


def default(field: FieldInfo) -> str:
    """Return a default as a cell of the table."""
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == "":
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"{value:g}" if isinstance(value, float) else f"`{value}`"


def cell(text: str) -> str:
    """Escape what would end a cell of a table or begin markup; flags become code."""
    escaped = text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return re.sub(r"(?<![`\w-])--[a-z_]+", lambda flag: f"`{flag[0]}`", escaped)


def sentence(text: str) -> str:
    """Return a phrase as a sentence."""
    return text[0].upper() + text[1:] + "."


def preset_table() -> str:
    """Return the numbers of all presets."""
    rows = [
        "| "
        + " | ".join(
            [f"`--{option}`", *(f"{getattr(getattr(preset, part), option):g}" for preset in PRESETS.values())]
        )
        + " |"
        for option, part in PRESET_OPTIONS.items()
    ]
    return "\n".join(
        ["| | " + " | ".join(f"`{name}`" for name in PRESETS) + " |", "|---|" + "---|" * len(PRESETS), *rows]
    )


if __name__ == "__main__":
    main()
