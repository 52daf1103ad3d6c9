"""The trials of a sweep: combinations of values of stage 2's options."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, get_args

from pydantic import ValidationError

from diar.errors import DiarError
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.settings import diarize_settings
from diar.options.base import describe_option, options_of
from diar.store.index import StoredPipeline
from diar.wording import counted, did_you_mean

DEFAULT = "default"  # the value of an option that is not given
_MOST = 100_000  # trials
_DRAWS = 100  # of a trial, until its values agree with each other
_DECIMALS = 6
# Of the options in the group of turns, those that decide no turns
_NO_TURNS = frozenset({"exclusive", "quality", "speaker_audio", "reference", "times", "rttm_id", "timelines"})
_VBX = frozenset({"plda", "plda_transform"})  # read by linking, too, which a sweep does not do
Values = Mapping[str, Any]


class SweepError(DiarError):
    """A sweep that cannot be made as asked."""


@dataclass(frozen=True)
class Axis:
    """The values of one option: some, or all between two numbers; whole ones between two `int`."""

    option: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0

    def drawn(self, source: random.Random) -> Any:
        """Return one of the values, each as likely as the others."""
        if self.values:
            return source.choice(self.values)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return source.randint(self.low, self.high)
        return round(source.uniform(self.low, self.high), _DECIMALS)


@dataclass(frozen=True)
class Trial:
    """One combination: what it gives beyond the options that all trials have."""

    given: Values
    config: DetectConfig = field(repr=False)

    @property
    def key(self) -> str:
        """Return what tells trials apart, also those of an earlier run."""
        return json.dumps(dict(sorted(self.given.items())))

    def __str__(self) -> str:
        return " ".join(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
                        for name, value in self.given.items()) or DEFAULT  # fmt: skip


class Space:
    """All trials that may be made.

    Args:
        axes: the options that vary.
        fixed: options that all trials have, `embeddings_dir` and `output_dir` among them.
        pipeline: whose networks stage 1 ran, if they are of one.
    """

    def __init__(self, axes: Sequence[Axis], fixed: Values, pipeline: StoredPipeline | None = None) -> None:
        self._pipeline = pipeline
        self.axes, self._fixed = axes, {**fixed, "task": "turns"}
        self.contradictions = 0  # combinations that were left out
        self.plain = Trial({}, self._config({}))
        for axis in axes:
            for value in axis.values or (axis.low, axis.high):
                self._checked_alone(axis.option, value)

    def grid(self) -> list[Trial]:
        """Return every combination that contradicts nothing.

        Raises:
            SweepError: a range has no step, or there are too many.
        """
        for axis in self.axes:
            if not axis.values:
                raise SweepError(
                    f"`vary`: {axis.option}={axis.low:g}:{axis.high:g} has no step, and a grid needs one: "
                    f"{axis.option}={axis.low:g}:{axis.high:g}:STEP, or `search=random`"
                )
        count = math.prod(len(axis.values) for axis in self.axes)
        if count > _MOST:
            raise SweepError(f"`vary` makes {count:,} combinations; give fewer values, or `search=random`")
        names = [axis.option for axis in self.axes]
        all_given = (
            _given(zip(names, values, strict=True)) for values in product(*(a.values for a in self.axes))
        )
        return self._different(trial for given in all_given if (trial := self._trial(given)))

    def drawn(self, count: int, seed: int) -> list[Trial]:
        """Return `count` combinations drawn at random; fewer where there are no more."""
        source = random.Random(seed)
        found: dict[str, Trial] = {}
        for _ in range(_DRAWS * count):
            given = _given((axis.option, axis.drawn(source)) for axis in self.axes)
            if trial := self._trial(given):
                found.setdefault(trial.key, trial)
            if len(found) == count:
                break
        return self._different(iter(found.values()))

    def remark(self) -> str:
        """Return what is said of combinations that were left out; nothing where none was."""
        if not self.contradictions:
            return ""
        return f"{counted(self.contradictions, 'combination')} left out: the values contradict each other"

    def _different(self, trials: Iterator[Trial]) -> list[Trial]:
        """Return the trials and the plain one, which all are compared with, each once."""
        return list({trial.key: trial for trial in (self.plain, *trials)}.values())

    def _trial(self, given: Values) -> Trial | None:
        """Return a trial, None where its values contradict each other."""
        try:
            config = self._config(given)
            diarize_settings(config, self._pipeline)
        except (ValidationError, DiarError):
            self.contradictions += 1
            return None
        return Trial(given, config)

    def _config(self, given: Values) -> DetectConfig:
        return DetectConfig.model_validate({**self._fixed, **given})

    def _checked_alone(self, option: str, value: Any) -> None:
        """Refuse a value that the option never takes.

        Raises:
            SweepError: with the reason.
        """
        try:
            self._config(_given([(option, value)]))
        except ValidationError as error:
            own = [detail for detail in error.errors(include_url=False) if detail["loc"] == (option,)]
            if own:
                raise SweepError(f"`vary`: {option}={value}: {own[0]['msg']}") from None


def _given(pairs: Any) -> dict[str, Any]:
    return {name: value for name, value in pairs if value != DEFAULT}


def parse_axis(text: str) -> Axis:
    """Parse `onset=0.3,0.4`, `onset=0.2:0.6` or `onset=0.2:0.6:0.1`.

    Raises:
        SweepError: it is none of these, or no option that decides turns.
    """
    name, equals, written = text.partition("=")
    name = name.strip().replace("-", "_")
    known = varying_options()
    if name not in known:
        near = did_you_mean(name, known)
        raise SweepError(
            f"`vary`: {name} is no option that decides the turns{near}; known: {', '.join(known)}"
        )
    if not equals or not written.strip():
        raise SweepError(
            f"`vary`: {text}: values are missing; give {name}=VALUE,VALUE or {name}=LOW:HIGH:STEP"
        )
    if ":" in written:
        return _range(name, written)
    return Axis(
        name, tuple(dict.fromkeys(_value(part.strip()) for part in written.split(",") if part.strip()))
    )


def varying_options() -> list[str]:
    """Return the options of stage 2 that decide the turns."""
    fields = options_of(DetectConfig)
    of_turns = {name for name, one in fields.items() if describe_option(one)["group"] == "turns"}
    return [name for name in fields if name in (of_turns | _VBX) - _NO_TURNS]


def _range(name: str, written: str) -> Axis:
    kind = DetectConfig.model_fields[name].annotation
    whole = int in (kind, *get_args(kind))
    try:
        numbers = [int(part) if whole else float(part) for part in written.split(":")]
        low, high = numbers[:2]
        step = numbers[2] if len(numbers) == 3 else None
        if len(numbers) > 3 or not low < high or not all(map(math.isfinite, numbers)):
            raise ValueError
        if step is None:
            return Axis(name, (), low, high)
        if step <= 0 or (high - low) / step > _MOST:
            raise ValueError
    except ValueError:
        numbers_are = f"LOW:HIGH or LOW:HIGH:STEP are {'whole ' if whole else ''}numbers, LOW below HIGH"
        raise SweepError(f"`vary`: {name}={written}: {numbers_are}") from None
    count = int((high - low) / step + 1e-9) + 1
    return Axis(name, tuple(round(low + i * step, _DECIMALS) for i in range(count)))


def _value(text: str) -> Any:
    """Return a number where it is one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
