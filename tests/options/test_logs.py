"""Lines on stderr as JSON: what is printed, what is logged, what is JSON already."""

import io
import json
import logging

import pytest

from diar.options.logs import log_from, logged_as


def test_every_line_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    stream, root = io.StringIO(), logging.getLogger()
    before = root.level
    monkeypatch.setattr(sys, "stderr", stream)
    with logged_as("json", "diar x"):
        assert not sys.stderr.isatty()
        print("hello", end="", file=sys.stderr)
        print(" world\n\nerror: it broke", file=sys.stderr)
        print('{"action": "session.start"}', file=sys.stderr)
        with logged_as("json", "diar y"):  # a rank within its command
            print("warning: within", file=sys.stderr)
        log_from(logging.INFO)
        logging.getLogger("a").info("%d done", 3, extra={"facts": {"recording": "a.wav"}})
        try:
            raise ValueError("bad")
        except ValueError:
            logging.getLogger("a").exception("failed")
        print("no end", end="", file=sys.stderr)
    root.setLevel(before)
    assert sys.stderr is stream
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("message") for line in lines] == [
        *("hello world", "it broke", None, "within", "3 done", "failed", "no end"),
    ]
    assert [line.get("level") for line in lines] == [
        "info",
        "error",
        None,
        "warning",
        "info",
        "error",
        "info",
    ]
    assert lines[4]["recording"] == "a.wav" and lines[4]["logger"] == "a"
    assert "ValueError: bad" in lines[5]["exception"]
    assert lines[0]["command"] == "diar x"


def test_text_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    with logged_as("text", "diar x"):
        print("error: as ever", file=sys.stderr)
    assert capsys.readouterr().err == "error: as ever\n"
