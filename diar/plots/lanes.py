"""The lanes of a timeline: one a speaker and one for overlap, in a group for each of reference and result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diar.formats.speech_time import by_speaker
from diar.intervals import at_least, common_seconds, seconds
from diar.plots.style import Color, number_names, person_color, rgb, short
from diar.plots.time_axis import amount
from diar.records import Turn

GAP = 0.5  # lanes between groups
GREY = "#6f737b"  # reference speakers whom nobody found, and many speakers in one lane
OVERLAP = "#b3001b"
_MOST = 30  # lanes of a group; the speakers who talk least share the last one
_NOTHING = np.empty((0, 2))


@dataclass(frozen=True)
class Lane:
    """One line of the picture: its intervals `own`, and the parts `shared` of them where others talk too."""

    label: str
    own: np.ndarray  # (n, 2) seconds
    shared: np.ndarray  # (m, 2) seconds
    color: Color
    top: float  # in lanes from the top of the strip
    height: float = 1.0
    several: bool = False  # speakers


@dataclass(frozen=True)
class Group:
    """The lanes of the reference or of the result."""

    title: str
    lanes: list[Lane]
    top: float
    bottom: float


def arrange(
    turns: Sequence[Turn], reference: Sequence[Turn] | None, numbers: Mapping[str, int] | None = None
) -> list[Group]:
    """Arrange the reference, if any, above the result; partners have the same order and colour.

    `numbers` are those of the colours of all people of the archive; default: of those in `turns`.
    """
    found = by_speaker(turns)
    numbers = number_names(found) if numbers is None else numbers
    colors = {name: person_color(numbers[name]) for name in found}
    if reference is None:
        return [_group("", "no speech found", found, colors, 0.0)]
    there = by_speaker(reference)
    partners = _partners(found, there)
    of_partner = {there: colors[name] for name, there in partners.items()}
    true_colors = {name: of_partner.get(name, rgb(GREY)) for name in there}
    first = _group("reference", "no speech", there, true_colors, 0.0)
    place = {name: i for i, name in enumerate(there)}
    ordered = sorted(found, key=lambda name: place.get(partners.get(name, ""), len(place)))
    second = {name: found[name] for name in ordered}
    return [first, _group("found", "no speech found", second, colors, first.bottom + GAP)]


def _group(
    title: str, nothing: str, speakers: dict[str, np.ndarray], colors: dict[str, Color], top: float
) -> Group:
    """Return lanes of `speakers`, in their order, and of their overlap, from `top` downwards."""
    mixed = at_least(2, speakers.values())
    most = sorted(speakers, key=lambda name: -seconds(speakers[name]))
    alone = set(most if len(most) <= _MOST else most[: _MOST - 1])
    rest = [own for name, own in speakers.items() if name not in alone]
    rows = [(short(name, 22), own, colors[name]) for name, own in speakers.items() if name in alone]
    if rest:
        rows.append((f"{len(rest)} others", at_least(1, rest), rgb(GREY)))
    lanes = [
        Lane(f"{name}  {amount(seconds(own))}", own, at_least(2, [own, mixed]), color, top + i)
        for i, (name, own, color) in enumerate(rows)
    ]
    if rest:
        lanes[-1] = replace(lanes[-1], several=True)
    lanes = lanes or [Lane(nothing, _NOTHING, _NOTHING, rgb(GREY), top)]
    bottom = top + len(lanes)
    if len(mixed):
        label = f"overlap  {amount(seconds(mixed))}"
        lanes.append(Lane(label, mixed, _NOTHING, rgb(OVERLAP), bottom + 0.1, height=0.6))
        bottom += 0.7
    return Group(title, lanes, top, bottom)


def _partners(found: dict[str, np.ndarray], there: dict[str, np.ndarray]) -> dict[str, str]:
    """Map speakers found to those of the reference so that they share most time, as DER does."""
    common = np.array([[common_seconds(a, b) for b in there.values()] for a in found.values()])
    if not common.size:
        return {}
    from scipy.optimize import linear_sum_assignment  # takes 0.1 s to import; few give a reference

    rows, columns = linear_sum_assignment(-common)
    names, partners = list(found), list(there)
    return {names[i]: partners[j] for i, j in zip(rows, columns, strict=True) if common[i, j] > 0}
