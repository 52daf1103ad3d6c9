"""What is told of a synthesizer that fails."""

import json

import pytest

pytest.importorskip("fastapi")

from hypothesis import given
from hypothesis import strategies as st

from diar.service.speech.desk import without_text


@given(st.text(min_size=1))
def test_no_log_has_the_text(text: str) -> None:
    for quoted in (
        f"silence for {text!r}",
        f'answers 500: {{"input": {json.dumps(text)}}}',
        f"failed: {text}",
    ):
        told = without_text(quoted, [text])
        assert "(the text)" in told
        assert len(text) < 4 or text not in told
    assert without_text("cannot be opened", []) == "cannot be opened"
