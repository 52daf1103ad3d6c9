"""Messages that name parameters, and errors of the operating system in words."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from diar.errors import explain, with_flags
from tests.commands import clean_environment, run_diar

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


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EACCES, "you may not read or write there"),
        (errno.EROFS, "that disk can only be read"),
        (errno.EMFILE, "raise the limit (`ulimit -n 4096`)"),
    ],
)
def test_errors_of_the_system_say_what_to_do_and_keep_its_words(number: int, told: str) -> None:
    message = explain(OSError(number, os.strerror(number), "E/a.parquet"))
    assert message.startswith("E/a.parquet: ")
    assert told in message
    assert message.endswith(f"[errno {number}: {os.strerror(number)}]")


def test_other_errors_keep_their_words() -> None:
    assert explain(OSError(errno.EXDEV, "Invalid cross-device link", "a")) == (
        f"a: Invalid cross-device link [errno {errno.EXDEV}]"
    )
    assert explain(OSError("from a library")) == "from a library"
    assert explain(ValueError("bad")) == "bad"
    assert explain(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_a_command_explains_what_the_system_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = run_diar("score", "boundaries", tmp_path / "gone.csv", tmp_path / "file")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path}/gone.csv: there is no such file or folder; check the path "
        "[errno 2: No such file or directory]\n"
    )
    call = [sys.executable, "-m", "diar", "plan", "--rtf", "1", "--hours", "1", "--json", "plan.json"]
    limited = subprocess.run(
        call,
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY)),
    )
    assert limited.returncode == 2
    assert "error: the file is larger than the disk or `ulimit -f` allows; " in limited.stderr
    assert limited.stderr.endswith("[errno 27: File too large]\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
