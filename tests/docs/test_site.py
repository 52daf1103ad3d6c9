"""The site is built without a warning."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.docs.pages import PAGES


@pytest.mark.slow
def test_the_site_is_built_without_warnings(tmp_path: Path) -> None:
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason='the site needs the extra docs (pip install -e ".[docs]")')
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", tmp_path / "tree", "-b", "html"]
    done = subprocess.run(
        [*map(str, call), str(ROOT / "docs"), str(tmp_path / "site")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    made = {
        path.relative_to(tmp_path / "site").with_suffix("") for path in (tmp_path / "site").rglob("*.html")
    }
    pages = {
        page.relative_to(ROOT / "docs").with_suffix("")
        for page in PAGES
        if page.is_relative_to(ROOT / "docs")
    }
    assert pages - made == {Path("package-index")}
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="stage1.html"' in front and 'href="contributing.html"' in front
    assert "demo_boundaries.png" in front
