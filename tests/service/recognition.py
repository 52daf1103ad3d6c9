"""What tests of words in the service need: the recogniser's weights, and a server that has it."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import named_weights
from tests.service.serving import Running, bearer, serving, token

needs_recogniser = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="words need faster-whisper (diar[words])"
)


@contextmanager
def serving_words(models: Any, folder: Path, networks: dict[str, Any], **options: Any) -> Iterator[Running]:
    """A server with the recogniser; requests have a token for sessions and jobs."""
    named_weights("whisper-tiny.en")  # fetched once, so that no test waits for it
    given = {**networks, "results_dir": folder}
    with serving(models, **given, audit_log=str(folder / "audit.jsonl"), **options) as running:
        running.headers = bearer(token())
        yield running
