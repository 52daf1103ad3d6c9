"""Messages that name parameters."""

import pytest

from diar.errors import with_flags

OPTIONS = {"place", "output_dir"}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("use `place=copy` or `place=none`", "use --place copy or --place none"),
        ("give another `output_dir`", "give another --output_dir"),
        ("`output_dir=s3://bucket/a b` is not local", "--output_dir s3://bucket/a b is not local"),
        ("turns need one (`segmentation`)", "turns need one (`segmentation`)"),
        ("`diar status E --failures` says why", "`diar status E --failures` says why"),
        ("a/place=copy/b.wav: output_dir is full", "a/place=copy/b.wav: output_dir is full"),
    ],
)
def test_parameters_of_the_command_become_its_flags(message: str, shown: str) -> None:
    assert with_flags(message, OPTIONS) == shown
