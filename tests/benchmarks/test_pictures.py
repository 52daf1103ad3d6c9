"""The gallery of pictures: each case has a name of its own, and what is made up can be drawn."""

import sys
from pathlib import Path

import pictures
import pytest
from matplotlib.image import imread


def test_the_gallery_is_made_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name, _ in pictures.pictures()]
    assert len(set(names)) == len(names) > 25
    monkeypatch.setattr(sys, "argv", ["pictures.py", str(tmp_path), "--only", "5 files"])
    pictures.main()
    (picture,) = tmp_path.iterdir()
    assert (picture.name, imread(picture).shape[1]) == ("boundaries 5 files.png", 1870)
