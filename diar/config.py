"""One typed, frozen, validated configuration a command; flags, environment and YAML fill the same tree.

Precedence: flag > environment variable > YAML file (`--config`) > default. An unknown key or a bad value is
an error that names it and where it came from.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from diar.errors import DiarError

ConfigT = TypeVar("ConfigT", bound="CommandConfig")


class ConfigError(DiarError):
    """A flag, environment variable or YAML key that does not exist or has a bad value."""


def option(default: Any, group: str, help: str, *, result: bool = False, **constraints: Any) -> Any:
    """Declare one option.

    Args:
        default: its default, `...` where the user must give a value.
        group: the heading under which `--help` lists it.
        help: what it does, with its unit.
        result: whether it changes the numbers written (and so belongs to the fingerprint).
        constraints: pydantic's, such as `gt=0`.
    """
    return Field(
        default, description=help, json_schema_extra={"group": group, "result": result}, **constraints
    )


def _extra(field: FieldInfo) -> dict[str, Any]:
    """What `option` noted about a field."""
    return cast(dict[str, Any], field.json_schema_extra)


class CommandConfig(BaseModel):
    """Base of the commands' configurations."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    environment_prefix: ClassVar[str]

    @classmethod
    def result_fields(cls) -> list[str]:
        """Names of the options that change the numbers written."""
        return [name for name, field in cls.model_fields.items() if _extra(field)["result"]]


class ExtractConfig(CommandConfig):
    """Stage 1: an archive of audio files to speaker embeddings in Parquet."""

    environment_prefix: ClassVar[str] = "DIAR_EXTRACT_"

    input_dir: str = option(
        ..., "archive", "folder, glob, wav.scp, NeMo manifest (.jsonl) or fsspec URL of the audio"
    )
    output_dir: str = option(..., "archive", "where the Parquet files go; give it again to resume")
    channel: str = option(
        "mix", "archive", "'mix' averages all channels, a number takes one (0 = first)", result=True
    )
    min_duration: float = option(
        0.2, "archive", "seconds; a shorter recording is reported as too_short", result=True, ge=0.05
    )

    model: str | None = option(
        None, "model", "named weights (`diar models list`), Hugging Face id or path; default campplus-zh-en"
    )
    model_dir: str | None = option(
        None, "model", "WeSpeaker model directory: config.yaml + avg_model.pt (instead of --model)"
    )
    window: float = option(1.5, "model", "seconds of one embedding's window", result=True, ge=0.1, le=60)
    hop: float = option(0.75, "model", "seconds from one window to the next", result=True, ge=0.05)
    chunk: float = option(
        30.0, "model", "seconds of audio the network sees at once in a long recording", result=True, ge=2
    )

    device: Literal["auto", "cuda", "cpu"] = option("auto", "machine", "auto = the GPUs if there are any")
    gpus: tuple[int, ...] | None = option(None, "machine", "GPU numbers, such as 0,1,2,3; default all")
    workers: int | None = option(
        None, "machine", "processes on the CPU; default 2 (GPUs: one process each)", ge=1, le=1024
    )
    port: int = option(0, "machine", "TCP port where the workers meet; 0 = any free one", ge=0, le=65535)
    threads: int | None = option(
        None, "machine", "CPU threads a worker computes with; default: cores / workers", ge=1
    )
    decode_threads: int = option(2, "machine", "threads a worker decodes with", ge=1, le=64)
    batch_seconds: float | None = option(
        None, "machine", "seconds of audio in one forward pass; default 240 on a GPU, 32 on the CPU", ge=1
    )
    shard_files: int = option(512, "machine", "most recordings in a shard, the unit of claiming", ge=1)
    shard_megabytes: float = option(256.0, "machine", "most audio in a shard, megabytes as stored", gt=0)
    max_restarts: int = option(3, "machine", "how often dead workers are started again", ge=0)

    overwrite: bool = option(False, "run", "remove an earlier extraction in output_dir and start again")
    retry_failed: bool = option(False, "run", "try the recordings again that failed in earlier runs")
    dry_run: bool = option(False, "run", "print what would be done (files, hours, shards, disk), do nothing")

    @field_validator("gpus", mode="before")
    @classmethod
    def _split_gpus(cls, value: Any) -> Any:
        return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("channel", mode="before")
    @classmethod
    def _check_channel(cls, value: Any) -> str:
        if str(value) == "mix" or str(value).isdigit():
            return str(value)
        raise ValueError("is 'mix' or a channel number counted from 0")

    @model_validator(mode="after")
    def _check_together(self) -> ExtractConfig:
        if self.model is not None and self.model_dir is not None:
            raise ValueError("give --model or --model_dir, not both")
        if self.gpus is not None and self.device == "cpu":
            raise ValueError("--gpus contradicts --device cpu")
        if self.gpus is not None and (not self.gpus or len(set(self.gpus)) < len(self.gpus)):
            raise ValueError(f"--gpus {','.join(map(str, self.gpus))} must name at least one GPU, each once")
        if self.hop > self.window:
            raise ValueError(
                f"hop ({self.hop} s) must not exceed window ({self.window} s): audio would be lost"
            )
        if self.window > self.chunk:
            raise ValueError(f"window ({self.window} s) must not exceed chunk ({self.chunk} s)")
        return self


class DetectConfig(CommandConfig):
    """Stage 2: stored embeddings to speaker boundaries, folders, JSON and plots. Needs no GPU."""

    environment_prefix: ClassVar[str] = "DIAR_DETECT_"

    embeddings_dir: str = option(..., "archive", "the output_dir of stage 1")
    output_dir: str = option(..., "archive", "where folders, JSON and PNG go")
    audio_dir: str | None = option(
        None, "archive", "where the audio lies now, if it moved since stage 1; default: where stage 1 read it"
    )
    sequence_by: Literal["archive", "folder"] = option(
        "archive",
        "archive",
        "archive = all files in one sequence; folder = each folder is a sequence of its own",
    )

    segment_size: int | Literal["auto"] = option(
        "auto", "boundaries", "files a speaker recorded in a row, about; auto = find it in the data"
    )
    boundary_window: int = option(
        10, "boundaries", "files around the expected boundary in which it is looked for", ge=0
    )
    use_gmm: bool = option(False, "boundaries", "model both sides by Gaussian mixtures instead of cosine")
    gmm_components: int = option(2, "boundaries", "Gaussians a side (fewer where files are few)", ge=1, le=64)
    penalty: float | None = option(
        None, "boundaries", "auto: evidence that one more boundary must bring; default from the data", gt=0
    )
    min_segment: int = option(4, "boundaries", "auto: fewest files in a row that make a segment", ge=1)

    link: bool = option(True, "speakers", "a speaker who returns gets the earlier number back")
    link_threshold: float | None = option(
        None, "speakers", "cosine between segments above which they are one speaker", gt=-1, lt=1
    )
    odd_threshold: float | None = option(
        None, "speakers", "probability above which a file is one of another voice; default 0.5", gt=0, lt=1
    )

    place: Literal["symlink", "hardlink", "copy", "none"] = option(
        "symlink", "output", "how audio files get into the speaker folders"
    )
    plot: bool = option(True, "output", "draw boundary_detection_visualization.png")
    debug: bool = option(False, "output", "also write every candidate's score")

    @field_validator("segment_size", mode="before")
    @classmethod
    def _check_segment_size(cls, value: Any) -> Any:
        if value == "auto":
            return value
        try:
            size = int(value)
        except (TypeError, ValueError):
            size = 0
        if size < 1 or str(size) != str(value):
            raise ValueError("is 'auto' or a number of files, at least 1")
        return size


def parse_arguments(
    config_class: type[ConfigT],
    arguments: Sequence[str],
    *,
    prog: str,
    description: str,
    epilog: str = "",
    environment: Mapping[str, str] = os.environ,
) -> ConfigT:
    """Fill `config_class` from flags, environment and YAML.

    Raises:
        ConfigError: an unknown key, a bad value, an unreadable YAML file.
        SystemExit: `--help` (0) or flags that argparse refuses (2).
    """
    parser = _build_parser(config_class, prog, description, epilog)
    flags = vars(parser.parse_args([_underscored(argument) for argument in arguments]))
    yaml_file = flags.pop("config", None)
    sources = {
        "YAML": _read_yaml(config_class, yaml_file) if yaml_file else {},
        "environment": _read_environment(config_class, environment),
        "flag": flags,
    }
    values = {name: value for source in sources.values() for name, value in source.items()}
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(config_class, error, sources)) from None


def _build_parser(
    config_class: type[CommandConfig], prog: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of the options below")
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in config_class.model_fields.items():
        title = _extra(field)["group"]
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        help_text = (field.description or "").replace("%", "%%")
        if field.annotation is bool:
            group.add_argument(
                f"--no_{name}" if field.default else f"--{name}",
                dest=name,
                action="store_const",
                const=not field.default,
                help=f"switch off: {help_text}" if field.default else help_text,
            )
            continue
        default = "required" if field.is_required() else field.default
        suffix = "" if default is None else f" [{default}]"
        group.add_argument(
            f"--{name}", dest=name, metavar=_metavar(field.annotation), help=help_text + suffix
        )
    return parser


def _underscored(argument: str) -> str:
    """`--input-dir=a-b` → `--input_dir=a-b`, so that both spellings of a flag work."""
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    return "--" + flag[2:].replace("-", "_") + equals + value


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "{" + ",".join(map(str, get_args(annotation))) + "}"
    parts = [part for part in get_args(annotation) if part is not type(None)] or [annotation]
    names = {str: "TEXT", int: "N", float: "X"}
    return "|".join(
        names.get(part) or ("N,N" if get_origin(part) is tuple else "|".join(map(str, get_args(part))))
        for part in parts
    )


def _read_yaml(config_class: type[CommandConfig], file: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"--config {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {file} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"--config {file} must hold `option: value` lines, found {type(content).__name__}")
    values = {str(key).replace("-", "_"): value for key, value in content.items()}
    for key in values:
        _check_known(config_class, key, f"--config {file}")
    return values


def _read_environment(config_class: type[CommandConfig], environment: Mapping[str, str]) -> dict[str, Any]:
    prefix = config_class.environment_prefix
    values = {k.removeprefix(prefix).lower(): v for k, v in environment.items() if k.startswith(prefix)}
    for key in values:
        _check_known(config_class, key, f"environment variable {prefix}{key.upper()}")
    return values


def _check_known(config_class: type[CommandConfig], key: str, where: str) -> None:
    if key not in config_class.model_fields:
        raise ConfigError(f"{where}: unknown option {key!r}; known: {', '.join(config_class.model_fields)}")


def _explain(
    config_class: type[CommandConfig], error: ValidationError, sources: Mapping[str, Mapping[str, Any]]
) -> str:
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "missing":
            lines[name] = f"--{name} is required: {config_class.model_fields[name].description}"
        elif name:
            origin = next(label for label, values in reversed(list(sources.items())) if name in values)
            value = sources[origin][name]
            lines.setdefault(name, f"--{name} {value!r} (from {origin}): {message}")
        else:
            lines[message] = message
    return "\n".join(lines.values())
