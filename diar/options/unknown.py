"""What to say of arguments, keys and variables that are no option: what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic.fields import FieldInfo

from diar.wording import did_you_mean, nearest

Options = Mapping[str, FieldInfo]

_NEAR_PREFIX = 0.85  # likeness; that of DIAR_DETECT_ to DIAR_EXTRACT_ is 0.78


def explain_arguments(left: Sequence[str], given: Sequence[str], known: Options, prog: str) -> str:
    """Say what is wrong with the arguments that no option took.

    Args:
        left: these arguments, in order.
        given: all arguments.
        known: the command's options by name.
        prog: what `--help` calls the command.
    """
    first = left[0]
    before = given[given.index(first) - 1] if first in given[1:] else ""
    if first.startswith("--"):
        name = first[2:].partition("=")[0]
        problem = f"there is no option --{name}{_meant(name, known)}"
    elif first.startswith("-") and not first[1:2].isdecimal():
        name = first.lstrip("-")
        problem = f"there is no option {first}, options begin with two dashes{_meant(name, known)}"
    elif before.startswith("--") and _is_switch(before[2:], known):
        problem = f"{before} takes no value, and {first!r} follows it"
    else:
        problem = f"{first!r} belongs to no option, and the command takes no more words"
    return f"{problem}\n`{prog} --help` lists all options"


def explain_key(key: str, known: Options, where: str, prefix: str = "") -> str:
    """Say of a YAML key or a variable that it is no option.

    Args:
        key: in lower case, a variable's without prefix.
        known: the command's options by name.
        where: it was found.
        prefix: of the command's variables; empty for YAML.
    """

    def shown(name: str) -> str:
        return prefix + name.upper() if prefix else name

    problem = f"{where}: unknown option {shown(key)}"
    positive = key.removeprefix("no_")
    if positive != key and positive in known and known[positive].annotation is bool:
        return f"{problem}; set {shown(positive)} to false"
    name = nearest(key, known)
    if name is not None:
        return f"{problem}; did you mean {shown(name)}?"
    return f"{problem}; known: {', '.join(map(shown, known)) or 'none'}"


def misspelt_variable(prefix: str, environment: Mapping[str, str]) -> str:
    """Return a complaint about a variable whose prefix is nearly `prefix`, such as DIAR_EXTRCT_; else empty.

    Args:
        prefix: of the command's variables, such as `DIAR_SCORE_DER_`.
        environment: all variables.
    """
    words = prefix.rstrip("_").split("_")
    for name in environment:
        first, *rest = name.split("_")
        found = "_".join([first, *rest[: len(words) - 1]]) + "_"
        if first != words[0] or found == prefix or len(rest) < len(words):
            continue
        if nearest(found, [prefix], _NEAR_PREFIX):
            meant = prefix + name.removeprefix(found)
            return f"environment variable {name} belongs to no command; did you mean {meant}?"
    return ""


def _meant(name: str, known: Options) -> str:
    if name in known:  # on by default: only --no_NAME is an option
        return f": it is on already, --no_{name} switches it off"
    flags = [f"no_{option}" if field.default is True else option for option, field in known.items()]
    return did_you_mean(name, ["help", "config", *flags], "--{}")


def _is_switch(name: str, known: Options) -> bool:
    option = known.get(name.removeprefix("no_")) or known.get(name)
    return option is not None and option.annotation is bool
