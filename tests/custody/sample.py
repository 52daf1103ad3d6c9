"""An archive with its outputs, as the stages write them: audio, tracks, words, turns, speaker folders."""

import io
import json
import shutil
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import soundfile as sf

from diar import storage
from diar.cli import main
from diar.custody.verification.extraction import fingerprint_of
from diar.records import Word
from diar.store.layout import Layout
from diar.store.reader import done_shards, read_shard
from diar.store.words import RecognisedRecording, WordsLayout, write_words
from tests.commands import detect_here
from tests.detect.observations_sample import METADATA, converse, make_voices, write_store

VOICES = make_voices(4, 11)
SETTINGS = {"step": 5.0}
FINGERPRINT = fingerprint_of(SETTINGS)
TALKS = {  # who speaks in it
    "day 1/a.wav": [0, 1],
    "day 1/b.wav": [1, 2],
    "day 2/c.wav": [3, 2],
    "day 2/ba.wav": [0, 1],
}
TASKS = (
    "--task",
    "all",
    "--place",
    "copy",
    "--speaker_audio",
    "joined",
    "--timelines",
    "auto",
    "--processes",
    1,
)


def write_extraction(root: Path, files_a_shard: int = 10_000) -> Path:
    """`root`/E of four conversations, with words, and their audio in `root`/audio."""
    talks = {
        name: converse(VOICES[who], 40.0, seed=number) for number, (name, who) in enumerate(TALKS.items())
    }
    metadata = {**METADATA, "fingerprint": FINGERPRINT}
    known = {name: {"channel": "mix"} for name in talks}
    write_store(root, talks, metadata, known=known, files_a_shard=files_a_shard)
    layout = Layout(str(root / "E"))
    config = json.loads(Path(layout.config).read_text())
    config |= {"fingerprint": FINGERPRINT, "settings": SETTINGS}
    Path(layout.config).write_text(json.dumps(config))
    noise = 0.01 * np.random.default_rng(0).standard_normal(40 * 8_000)
    for name in talks:
        (root / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        sf.write(root / "audio" / name, noise, 8_000)
    words = WordsLayout(layout.root)
    made = {"extraction": FINGERPRINT, "engine": "made up", "model": "made up", "sha256": "s", "settings": {}}
    storage.write_bytes_atomic(words.config, json.dumps({"settings": made, "fingerprint": "w"}).encode())
    for shard in done_shards(layout):
        ids = read_shard(layout, shard, ["recording_id"])["recording_id"].to_pylist()
        told = [(RecognisedRecording(name), [Word(1.0, 1.5, f"word{n}")]) for n, name in enumerate(ids)]
        write_words(words, shard, told, {"fingerprint": "w"})
    return root / "E"


def write_result(root: Path, *options: object) -> Path:
    """`root`/R of `root`/E by the real command, everything that can be asked for."""
    done = detect_here(root / "E", root / "R", *TASKS, *options)
    assert done.returncode == 0, done.stderr
    return root / "R"


def copied(source: Path, target: Path) -> Path:
    """A copy of an output, links as links."""
    return Path(shutil.copytree(source, target, symlinks=True))


def diar(*arguments: object) -> subprocess.CompletedProcess:
    """A `diar` command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return subprocess.CompletedProcess(list(arguments), code, out.getvalue(), err.getvalue())


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
