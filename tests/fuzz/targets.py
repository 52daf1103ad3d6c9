"""Everything that reads a file which somebody else may have written, with files that are well-formed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from diar.archive.listing import list_recordings
from diar.detect.diarize import DiarizeSettings
from diar.detect.sides import Sides, diarize_sides
from diar.formats.names import read_names
from diar.formats.rttm import format_rttm, read_rttm, read_uem
from diar.formats.words.reading import read_words
from diar.formats.words.table import FORMATS
from diar.jobs.detect.config import DetectConfig
from diar.jobs.progress.reporter import read_ranks
from diar.models.encoders.wespeaker import front_end_settings, read_config
from diar.models.segmentation.pyannet import read_settings
from diar.models.weights.checkpoint import read_state_dict
from diar.options.arguments import parse_arguments
from diar.records import SpeakerTurns
from diar.store.layout import Layout
from diar.store.reader import TracksReader, failures, load_index
from diar.store.remarks import read_remarks
from tests.detect.observations_sample import converse, make_voices, write_store
from tests.formats.words.samples import conversation, result_of
from tests.fuzz.audio import audio_targets
from tests.fuzz.mutate import TEXTS, mutated
from tests.fuzz.runner import Target

_SLOWER = 0.25  # of the cases: one takes ten times as long as others
VOICES = make_voices(2, 5)
TALK = converse(VOICES, 20.0, seed=1)
RTTM = b"".join(b"SPEAKER a%%20b 1 %d.25 1.500 <NA> <NA> ann <NA> <NA>\n" % at for at in range(20))
UEM = b"a 1 0.000 30.5\n;; comment\nb 1 3.0 4.0\n"
CONFIG = (
    b"embeddings_dir: E\noutput_dir: R\ntask: turns\nonset: 0.5\n"
    b"min_duration_on: 1.5\nnum_speakers: 2\nlink: true\n"
)
MODEL = b"""model: CAMPPlus
model_args: {feat_dim: 80, embed_dim: 192, growth_rate: 32}
dataset_args:
  resample_rate: 16000
  cmvn: true
  fbank_args: {num_mel_bins: 80, frame_length: 25, frame_shift: 10, window_type: povey}
"""
SEGMENTATION = b"""task: {duration: 10.0, max_speakers_per_chunk: 3, max_speakers_per_frame: 2}
model:
  sample_rate: 16000
  sincnet: {stride: 10}
  lstm: {hidden_size: 128, num_layers: 4, bidirectional: true, monolithic: true}
  linear: {hidden_size: 128, num_layers: 2}
"""
NAMES = (
    b'{"schema": "diar.names", "schema_version": "1.0", "names": {"person_0001": "Ann"}, '
    b'"heard": {"person_0001": {"recording": "a.wav", "time": 1.5}}}'
)
LIST = (
    b'{"audio_filepath": "a.wav", "offset": 1.5, "duration": 2.0, "num_speakers": 2, "label": "x", '
    b'"rttm_filepath": "a.rttm"}\n{"audio_filepath": "b.wav", "recording_id": "c/d"}\n'
)
SCP = b"utt1 a.wav\nutt2 /audio/b c.flac\nutt3 file:///x.wav\n"


def make_targets(root: Path) -> list[Target]:
    """Return all targets; what they need lies in `root`."""
    return [
        Target("rttm", [RTTM], "a.rttm", _rttm),
        Target("uem", [UEM], "a.uem", read_uem),
        Target("jsonl", [LIST, b"[" + LIST.replace(b"\n", b",", 1) + b"]"], "list.jsonl", _list),
        Target("wav.scp", [SCP], "wav.scp", _list),
        Target("names", [NAMES], "names.json", _names),
        *(
            Target(
                f"words.{name}",
                [FORMATS[name].write(result_of(conversation())).encode()],
                f"w.{suffix}",
                read_words,
            )
            for name, suffix in (
                ("ctm", "ctm"),
                ("stm", "stm"),
                ("vtt", "vtt"),
                ("json", "json"),
                ("whisperx", "json"),
            )
        ),
        Target("config", [CONFIG], "run.yaml", _config, share=_SLOWER),
        Target("model", [MODEL], "config.yaml", _model, share=_SLOWER),
        Target("segmentation", [SEGMENTATION], "config.yaml", read_settings, share=_SLOWER),
        Target("checkpoint", [_checkpoint(root)], "avg_model.pt", read_state_dict),
        *_of_store(root),
        *audio_targets(),
    ]


def _rttm(path: Path) -> None:
    for turns in read_rttm(path).values():
        format_rttm(SpeakerTurns.of(turns))
        SpeakerTurns.of(turns).intervals  # noqa: B018 - computed when it is asked for


def _list(path: Path) -> None:
    recordings = list_recordings(str(path)).recordings
    layout = Layout("/out")
    for recording in recordings:
        assert not layout.tracks(recording.recording_id).startswith(layout.private + "/")


def _names(path: Path) -> None:
    read_names(str(path)).of(lambda moment: {"person_0001"})


def _config(path: Path) -> None:
    arguments = ["--config", str(path), "--embeddings_dir", "E", "--output_dir", "R"]
    parse_arguments(DetectConfig, arguments, prog="diar detect", description="", environment={})


def _model(path: Path) -> None:
    front_end_settings(read_config(path), path)


def _checkpoint(root: Path) -> bytes:
    import torch

    torch.save({"state_dict": {"a": torch.ones(3, 4), "b": torch.zeros(5)}}, root / "saved.pt")
    return (root / "saved.pt").read_bytes()


def _of_store(root: Path) -> Iterator[Target]:
    """Yield the files of an output of stage 1, each in an output of its own."""

    def store(name: str) -> Path:
        return write_store(root / name, {"a.wav": TALK, "b.wav": TALK})

    places: dict[str, tuple[str, Callable[[Path], object], bool]] = {
        "tracks": ("a.wav.parquet", _tracks, True),
        "index": ("_extraction/shards/00000.pq", _index, True),
        "plan": ("_extraction/plan.pq", _index, True),
        "extraction": ("_extraction/config.json", _index, False),
    }
    for name, (file, read, parquet) in places.items():
        output = store(name)
        seed = (output / file).read_bytes()
        change = _poisoned if parquet else mutated
        yield Target(name, [seed], str(output / file), partial(_with, read, output), change, _SLOWER)
    output = store("progress")
    seed = json.dumps(
        {"run_id": "r", "rank": 0, "world_size": 1, "host": "h", "pid": 1, "started": 1.0, "updated": 2.0,
         "totals": {"files": 7, "bytes": 70, "files_before": 2, "bytes_before": 20}, "counters": {"files": 1}}
    ).encode()  # fmt: skip
    (output / "_extraction/progress").mkdir()
    yield Target(
        "progress",
        [seed],
        str(output / "_extraction/progress/rank_000.json"),
        partial(_with, _progress, output),
    )


def _with(read: Callable[[Path], object], output: Path, _: Path) -> None:
    read(output)


def _tracks(output: Path) -> None:
    diarize_sides(Sides.of(TracksReader(str(output)).read("a.wav", 0)), DiarizeSettings())


def _index(output: Path) -> None:
    index = load_index(str(output))
    for number in range(len(index)):
        index.row(number)
        index.listed(number)
    failures(Layout(str(output)))
    list(read_remarks(Layout(str(output))))


def _progress(output: Path) -> None:
    read_ranks(Layout(str(output)))


_FLOATS = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 1e12, 1e-9]
_INTEGERS = [-1, 0, 1, 32_767, 2**31 - 1, -(2**31), 2**62]


def _poisoned(content: bytes, chance: random.Random) -> bytes:
    """Change the bytes of a Parquet file, or write it again with other values, types, columns or footers."""
    if chance.random() < 0.3:
        return mutated(content, chance)
    table = pq.read_table(pa.BufferReader(content))
    footer = dict(pq.read_metadata(pa.BufferReader(content)).metadata or {})
    footer = {key: value for key, value in footer.items() if b"diar." in key}
    if footer and chance.random() < 0.4:
        key = chance.choice(sorted(footer))
        footer[key] = mutated(footer[key], chance).replace(b"\0", b"0")
    else:
        table = _changed(table, chance)
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table.replace_schema_metadata(footer), sink)
    except (pa.ArrowException, UnicodeDecodeError):
        return mutated(content, chance)
    return sink.getvalue().to_pybytes()


def _changed(table: pa.Table, chance: random.Random) -> pa.Table:
    place = chance.randrange(table.num_columns)
    name, values = table.column_names[place], table.column(place).to_pylist()
    kind = chance.randrange(5)
    if kind == 0:
        return table.drop_columns(name)
    if kind == 1:
        return table.slice(chance.randrange(len(table) + 1), chance.randrange(len(table) + 1))
    if kind == 2:
        return table.set_column(
            place, name, pa.array([chance.choice([None, "x", "3"])] * len(table), pa.string())
        )
    column_type = table.schema.field(place).type
    rows = range(len(values)) if kind == 3 else [chance.randrange(len(values))] if values else []
    try:
        for row in rows:
            values[row] = _value(values[row], chance)
        return table.set_column(place, name, pa.array(values, column_type))
    except (pa.ArrowException, OverflowError, TypeError, ValueError, UnicodeEncodeError):
        return table


def _value(value: object, chance: random.Random) -> object:
    """Return another value of the same kind."""
    if chance.random() < 0.2:
        return None
    if isinstance(value, float):
        return chance.choice(_FLOATS)
    if isinstance(value, int):
        return chance.choice(_INTEGERS)
    if isinstance(value, str):
        return chance.choice(TEXTS).decode(errors="replace")
    if isinstance(value, bytes):
        return chance.choice(TEXTS)
    if isinstance(value, list):
        return [_value(one, chance) for one in value] if chance.random() < 0.7 else []
    if isinstance(value, dict):
        return {key: _value(one, chance) for key, one in value.items()}
    return value
