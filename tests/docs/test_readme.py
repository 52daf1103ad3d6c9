"""README is read by people who have ten minutes; its figures are those of docs/results.md."""

import re

import pytest

from tests.commands import ROOT
from tests.docs.pages import links

README = ROOT / "README.md"
MOST_WORDS = 1_500


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The first table below a heading: first cell → the others, without emphasis."""
    below = text.partition(f"\n## {heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table is not None, heading
    cells = [[cell.strip(" *") for cell in line.strip("| ").split("|")] for line in table[0].splitlines()]
    return {first: rest for first, *rest in cells}


def test_it_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_it_leads_to_every_page() -> None:
    linked = {link.partition("#")[0] for link in links(README)}
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    stubs = {
        "docs/index.md",
        "docs/package-index.md",
        "docs/contributing.md",
        "docs/changelog.md",
        "docs/notices.md",
    }
    assert pages - stubs <= linked


def test_its_figures_are_those_of_the_results() -> None:
    readme, results = (path.read_text(encoding="utf-8") for path in (README, ROOT / "docs" / "results.md"))
    full = rows(results, "Turns inside recordings")
    places = {
        "AMI, 10 × 30 s": "AMI, 10 × 30 s",
        "simulated, 2–8 speakers, 55 min": "simulated, 2–8 speakers, 55 min (*default*)",
        "the same by telephone": "default, telephone, seed 1",
        "the same in a noisy room": "default, room, seed 1",
        "the same with music": "default, broadcast, seed 1",
    }
    for ours, theirs in places.items():
        diar, pyannote, senko, wespeaker = (cell.split(" ")[0].strip("*") for cell in short(full[theirs]))
        assert rows(readme, "How good it is")[ours] == [diar, pyannote, senko, wespeaker]


def test_its_speeds_are_those_of_the_results() -> None:
    readme, results = (path.read_text(encoding="utf-8") for path in (README, ROOT / "docs" / "results.md"))
    speeds = rows(results, "How fast it is")
    places = {
        "AMI, 10 × 30 s": "AMI, 10 × 30 s (2 rounds)",
        "one conversation of 300 s": "one file of 300 s (2 rounds)",
        "simulated, 55 min": "simulated, 55 min (1 round)",
    }
    shown = rows(readme, "How fast it is")
    for ours, theirs in places.items():
        full = [re.findall(r"[0-9.]+", cell) for cell in speeds[theirs]]
        work, peer, ratio, door, peers_door, doors = (
            float(re.findall(r"[0-9.]+", c)[0]) for c in shown[ours]
        )
        assert work == pytest.approx(float(full[0][0]), abs=0.5)
        assert (peer, ratio) == (float(full[1][0]), float(full[2][0]))
        assert door == pytest.approx(float(full[3][1]), abs=0.5)
        assert peers_door == pytest.approx(float(full[4][0]), abs=0.5)
        assert doors == pytest.approx(float(full[5][0]), abs=0.5)


def short(cells: list[str]) -> list[str]:
    """DER of diar, pyannote, Senko and WeSpeaker of a row of the full table."""
    return [cells[0], *cells[-3:]]
