"""The table of a sweep, its best trial as a file for `diar detect --config`, and what to try next."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

import diar
from diar.formats.spreadsheet import cells
from diar.jobs.detect.config import DetectConfig
from diar.jobs.sweep.space import Axis, Trial
from diar.jobs.sweep.space import Values as GivenValues
from diar.score.amounts import Amounts
from diar.wording import counted

_SHOWN = 10  # trials on the terminal
_SAME = 1e-9  # of a rate
_RATES = ("der", "miss", "false_alarm", "confusion", "jer")
_HEADS = ("DER %", "miss %", "FA %", "conf %", "JER %", "speakers")
_LOWEST, _HIGHEST = ("ge", "gt"), ("le", "lt")  # of pydantic's constraints


@dataclass(frozen=True)
class Row:
    """One trial, and what it came to over all recordings."""

    trial: Trial
    amounts: Amounts

    def rates(self) -> dict[str, float | None]:
        """Return the rates as shares; None where there is no reference speech."""
        speech = self.amounts.speech
        parts = (self.amounts.miss, self.amounts.false_alarm, self.amounts.confusion)
        shares = [part / speech if speech else None for part in parts]
        return dict(zip(_RATES, (self.amounts.der, *shares, self.amounts.jer), strict=True))

    def rank(self, metric: str) -> tuple[float, float, int]:
        """Return what the best has the least of: the metric, the other one, options that are given."""
        rates = self.rates()
        other = "jer" if metric == "der" else "der"
        first, second = (float("inf") if rates[name] is None else rates[name] for name in (metric, other))
        assert first is not None and second is not None
        return round(first, 9), round(second, 9), len(self.trial.given)


@dataclass(frozen=True)
class Report:
    """All trials, the best first.

    Attributes:
        rows: of all trials.
        axes: the options that vary.
        fixed: options that all trials have, for the file of the best.
        metric: `der` or `jer`.
    """

    rows: Sequence[Row]
    axes: Sequence[Axis]
    fixed: GivenValues
    metric: str

    @property
    def best(self) -> Row:
        """Return the trial with the least errors."""
        return self.rows[0]

    @property
    def plain(self) -> Row:
        """Return the trial that gives nothing."""
        return next(row for row in self.rows if not row.trial.given)

    def text(self) -> str:
        """Return the best trials and the plain one, a line each."""
        shown = list(self.rows[:_SHOWN])
        if self.plain not in shown:
            shown.append(self.plain)
        names = [str(row.trial) for row in shown]
        width = max(len("trial"), *map(len, names))
        lines = [f"{'trial':{width}}  " + "  ".join(f"{head:>8}" for head in _HEADS)]
        for name, row in zip(names, shown, strict=True):
            rates = [_percent(rate) for rate in row.rates().values()]
            counts = f"{row.amounts.hypothesis_speakers}/{row.amounts.reference_speakers}"
            lines.append(f"{name:{width}}  " + "  ".join(f"{cell:>8}" for cell in (*rates, counts)))
        if len(self.rows) > len(shown):
            lines.append(f"… of {counted(len(self.rows), 'trial')}")
        return "\n".join(lines)

    def csv(self) -> bytes:
        """Return all trials as CSV: rates as shares, options that a trial does not give empty."""
        file = io.StringIO(newline="")
        table = csv.writer(file, lineterminator="\n")
        options = [axis.option for axis in self.axes]
        table.writerow([*options, *_RATES, "speakers_found", "speakers_there", "recordings"])
        for row in self.rows:
            rates = ["" if rate is None else f"{rate:.6f}" for rate in row.rates().values()]
            counts = row.amounts.hypothesis_speakers, row.amounts.reference_speakers, row.amounts.recordings
            table.writerow(cells([*(row.trial.given.get(name, "") for name in options), *rates, *counts]))
        return file.getvalue().encode()

    def best_yaml(self) -> bytes:
        """Return the options of the best trial for `diar detect --config`."""
        rates, plain = self.best.rates(), self.plain.rates()
        head = (
            f"# The best of {counted(len(self.rows), 'trial')} by diar sweep (diar {diar.__version__}):\n"
            f"# {self.metric.upper()} {_percent(rates[self.metric])} % on "
            f"{counted(self.best.amounts.recordings, 'recording')}, "
            f"{_percent(plain[self.metric])} % by default\n"
        )
        values = {**self.fixed, "task": "turns", **self.best.trial.given}
        return (head + yaml.safe_dump(values, sort_keys=False)).encode()

    def remarks(self) -> Iterator[str]:
        """Yield what the best trial does not tell by itself."""
        best = self.best.rates()[self.metric]
        same = [row for row in self.rows[1:] if _equal(row.rates()[self.metric], best)]
        if same:
            yield (
                f"{counted(len(same), 'other trial')} came to the same {self.metric.upper()} as the best, "
                "which gives the fewest options of them"
            )
        for axis in self.axes:
            if remark := self._edge(axis):
                yield remark

    def _edge(self, axis: Axis) -> str:
        """Return a remark where the best value is the lowest or highest tried, and others exist."""
        value = _number(self.best.trial, axis.option)
        numbers = (_number(row.trial, axis.option) for row in self.rows)
        tried = sorted({number for number in numbers if number is not None})
        if value is None or len(tried) < 2 or self._without_effect(axis):
            return ""
        # Between two numbers nobody draws the ends themselves: the outermost tenth is the edge
        near = 0.0 if axis.values else 0.1 * (axis.high - axis.low)
        low, high = (tried[0], tried[-1]) if axis.values else (axis.low, axis.high)
        if value - low <= near and not _limit(axis.option, low, _LOWEST):
            return f"the best {axis.option}, {value:g}, is the lowest that was tried: try lower ones"
        if high - value <= near and not _limit(axis.option, high, _HIGHEST):
            return f"the best {axis.option}, {value:g}, is the highest that was tried: try higher ones"
        return ""

    def _without_effect(self, axis: Axis) -> bool:
        """Whether trials that differ in this option alone all came to the same."""
        found: dict[str, set[float]] = {}
        for row in self.rows:
            others = {name: value for name, value in row.trial.given.items() if name != axis.option}
            rate = row.rates()[self.metric]
            found.setdefault(repr(sorted(others.items())), set()).add(
                -1.0 if rate is None else round(rate, 9)
            )
        return all(len(rates) == 1 for rates in found.values()) and len(found) < len(self.rows)


def _limit(option: str, value: float, kinds: Sequence[str]) -> bool:
    """Whether an option takes nothing beyond a value."""
    constraints = DetectConfig.model_fields[option].metadata
    limits = [getattr(one, kind) for one in constraints for kind in kinds if hasattr(one, kind)]
    return any(_equal(float(limit), value) for limit in limits)


def _number(trial: Trial, option: str) -> float | None:
    """Return a trial's value of an option where it is a number."""
    value = trial.given.get(option)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _equal(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) < _SAME


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f}"
