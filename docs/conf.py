"""The site: python -m sphinx -W -b html docs build/docs (pip install -e ".[docs]")."""

from pathlib import Path

from sphinx.application import Sphinx

project = "diar"
author = "the diar authors"
extensions = ["myst_parser"]
exclude_patterns = ["notebooks", "package-index.md"]
suppress_warnings = ["toc.not_included"]  # decisions/README.md is the index of all decisions
myst_heading_anchors = 4  # GitHub's anchors, so that links work in both places
smartquotes = False  # it would make dashes of flags
html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_title = "diar"
html_show_copyright = False
html_show_sphinx = False

# Where the site has the files that README and CONTRIBUTING name beside themselves
PLACES = {
    "CONTRIBUTING.md": "docs/contributing.md",
    "CHANGELOG.md": "docs/changelog.md",
    "THIRD_PARTY_NOTICES.md": "docs/notices.md",
}


def setup(app: Sphinx) -> None:
    """Change links of the files above `docs` that pages include."""
    app.connect("include-read", point_into_site)


def point_into_site(app: Sphinx, path: Path, page: str, content: list[str]) -> None:
    """Replace the targets of links in the text of an included file."""
    for name, place in PLACES.items():
        content[0] = content[0].replace(f"]({name})", f"]({place})")
