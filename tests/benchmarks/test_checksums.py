"""The benchmark of checksums on a small output."""

from pathlib import Path

import pytest
from checksums import FORMS, flip_all, print_costs, read_contents

from tests.custody.sample import write_extraction


def test_flips_are_told_and_costs_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents = read_contents(str(write_extraction(tmp_path)))
    for own in contents.values():
        told = {form: flip_all(own, form, 20, tmp_path / "file.pq") for form in FORMS}
        assert {sum(counts.values()) for counts in told.values()} == {20}
        assert told["plain"]["other"] > 0 and told["sealed"]["other"] == 0
    print_costs(contents["tracks"], 1, tmp_path)
    told_costs = capsys.readouterr().out
    assert told_costs.startswith("4 files of tracks | plain | page checksums | sealed |")
