"""An index that says what stage 1 never writes costs the recording concerned, and no other one."""

import shutil
from pathlib import Path

from diar.errors import EXIT_FAILURES
from diar.store.reader import done_shards
from diar.store.words import WordsLayout, read_words
from tests.asr.servers import answer, serving
from tests.commands import run_diar
from tests.custody.sample import VOICES, write_extraction
from tests.detect.observations_sample import converse, write_store

WORD = {"word": "good", "start": 1.0, "end": 1.4}


def test_a_channel_that_is_none_fails_one_recording(tmp_path: Path) -> None:
    shutil.rmtree(write_extraction(tmp_path))  # its audio stays
    talks = {name: converse(VOICES[:2], 40.0, seed=1) for name in ("day 1/a.wav", "day 1/b.wav")}
    known = {"day 1/a.wav": {"channel": "x" * 9}, "day 1/b.wav": {"channel": "0"}}
    embeddings = write_store(tmp_path, talks, known=known)
    with serving(answer({"text": "Good.", "language": "english", "words": [WORD]})) as server:
        call = ("--embeddings_dir", embeddings, "--asr", server.url, "--workers", 1)
        done = run_diar("words", *call)
    assert done.returncode == EXIT_FAILURES, done.stderr
    assert "'xxxxxxxxx' in the index is no channel: run stage 1 again" in done.stderr
    assert "Traceback" not in done.stderr
    layout = WordsLayout(str(embeddings))
    found = {name: one for shard in done_shards(layout) for name, one in read_words(layout, shard).items()}
    assert {name: told.status for name, (told, _) in found.items()} == {
        "day 1/a.wav": "no_tracks",
        "day 1/b.wav": "ok",
    }
