"""Every link in README, CONTRIBUTING and docs leads somewhere; nothing but Python is needed to check it."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.commands import ROOT
from tests.docs.pages import PAGES, anchors, links, name_of

INDEX_PAGE = ROOT / "docs" / "package-index.md"


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    return [link for link in links(page) if "://" not in link and not leads_somewhere(page, link)]


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_anchors_exist(page: Path) -> None:
    assert not broken(page)


def test_there_are_links_to_check() -> None:
    assert sum(len(links(page)) for page in PAGES) > 100


def test_a_broken_link_and_a_broken_anchor_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# One\n[a](none.md) ![b](none.png "title") [c](#one) [d](#two)\n```\n[e](no.md)\n```\n`[f](no)`'
    )
    assert links(page) == ["none.md", "none.png", "#one", "#two"]
    assert anchors(page) == {"one"}


def test_addresses_are_secure() -> None:
    assert not [
        link for page in PAGES for link in links(page) if "://" in link and not link.startswith("https://")
    ]


def test_the_page_for_package_indexes_has_no_link_that_would_break_there() -> None:
    assert not [link for link in links(INDEX_PAGE) if "://" not in link]
    assert "![" not in INDEX_PAGE.read_text(encoding="utf-8")
