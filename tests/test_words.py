"""Words that the glossary does not use are not used."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
FILES = [
    *(ROOT / "diar").rglob("*.py"),
    *(path for path in (ROOT / "docs").glob("*.md") if path != GLOSSARY),
    ROOT / "README.md",
]


def unused_words() -> list[str]:
    table = GLOSSARY.read_text(encoding="utf-8").partition("## Not used")[2]
    return [word for line in table.splitlines() for word in re.findall(r"`([^`]+)`", line.split(" | ")[0])]


def test_the_glossary_says_what_is_not_used() -> None:
    assert {"stretch", "lest"} <= set(unused_words())


@pytest.mark.parametrize("word", unused_words())
def test_nobody_uses_it(word: str) -> None:
    pattern = re.compile(rf"\b{re.escape(word)}s?\b".replace(r"\ ", r"\s+"), re.IGNORECASE)
    found = [
        str(path.relative_to(ROOT)) for path in FILES if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert not found
