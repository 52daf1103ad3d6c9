"""What a tuning tells: on the terminal, as JSON, and as options for `diar detect --config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

import diar
from diar.jobs.sweep.space import Values
from diar.jobs.tune.validation import Learned
from diar.wording import counted

SCHEMA, SCHEMA_VERSION = "diar.tuning", "1.0"


@dataclass(frozen=True)
class TuneReport:
    """What was learned, and from what.

    Attributes:
        learned: the choice and its worth.
        fixed: options that all trials have.
        metric: `der` or `jer`.
        trials: how many were compared.
        confidence: of the interval.
        failed: recordings without tracks, whose speech counts as missed.
    """

    learned: Learned
    fixed: Values
    metric: str
    trials: int
    confidence: float
    failed: int

    def text(self) -> str:
        """Return the table for the terminal."""
        learned, name = self.learned, self.metric.upper()
        low, high = learned.interval
        rows = [
            (f"{name} by default", _percent(learned.default), ""),
            (f"{name} tuned, on recordings not tuned on", _percent(learned.held_out), ""),
            (f"{name} tuned, on the same recordings", _percent(learned.on_itself), "looks better than it is"),
            (
                "gain on recordings not tuned on",
                f"{100 * learned.gain:+.2f}",
                f"{100 * self.confidence:g} % interval {100 * low:+.2f} … {100 * high:+.2f}",
            ),
        ]
        width = max(len(row[0]) for row in rows)
        lines = [f"{label:{width}}  {value:>7}  {remark}".rstrip() for label, value, remark in rows]
        lines.append(f"chosen of {counted(self.trials, 'trial')}: {learned.trial}")
        for option, share in learned.agreement.items():
            value = learned.trial.given.get(option, "default")
            lines.append(f"  {option} {value}: chosen by {100 * share:.0f} % of the folds")
        return "\n".join(lines)

    def warnings(self) -> Iterator[str]:
        """Yield what speaks against using the choice."""
        learned = self.learned
        if learned.too_little:
            yield (
                f"there is little to learn from: {counted(learned.recordings, 'recording')} with "
                f"{60 * learned.hours:.0f} minutes of speech; ten with half an hour tell something"
            )
        if not learned.trial.given:
            yield "nothing that was tried is better than the defaults; keep them"
        elif not learned.shown:
            yield ("a gain is not shown: the interval holds 0; keep the defaults, or label more recordings")

    def json(self) -> bytes:
        """Return all figures."""
        learned = self.learned
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "program": f"diar {diar.__version__}",
            "metric": self.metric,
            "chosen": {**self.fixed, **learned.trial.given},
            "default": learned.default,
            "held_out": learned.held_out,
            "on_itself": learned.on_itself,
            "gain": learned.gain,
            "interval": list(learned.interval),
            "confidence": self.confidence,
            "shown": learned.shown,
            "agreement": learned.agreement,
            "trials": self.trials,
            "recordings": learned.recordings,
            "speech_hours": learned.hours,
            "recordings_without_tracks": self.failed,
            "warnings": list(self.warnings()),
        }
        return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    def preset(self) -> bytes:
        """Return the choice for `diar detect --config`."""
        learned, name = self.learned, self.metric.upper()
        low, high = learned.interval
        head = [
            f"# Tuned by diar tune (diar {diar.__version__}) on {counted(learned.recordings, 'recording')}",
            f"# {name} on recordings not tuned on: {_percent(learned.held_out)} %, "
            f"by default {_percent(learned.default)} %",
            f"# gain {100 * learned.gain:+.2f}, {100 * self.confidence:g} % interval "
            f"{100 * low:+.2f} … {100 * high:+.2f}",
            *(f"# {warning}" for warning in self.warnings()),
        ]
        values = {**self.fixed, "task": "turns", **learned.trial.given}
        return ("\n".join(head) + "\n" + yaml.safe_dump(values, sort_keys=False)).encode()


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
