"""Encryption at rest: no embedding, word or name in raw bytes; keys that do not fit are told; another key."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from diar.jobs.progress.events import EventLog
from diar.options.keys import KEY_VARIABLE, keys_from
from diar.records import RecordingRow
from diar.store.encryption.files import protected, revealed
from diar.store.encryption.keyring import EncryptionError, keyring
from diar.store.encryption.names import describe_encryption, forget_secrets
from diar.store.layout import Layout
from diar.store.reader import load_index, read_tracks
from tests.commands import detect_here, extract, write_archive
from tests.custody.sample import TALKS, copied, diar, flip, write_extraction

A = "day 1/a.wav"
TURNS = ("--task", "turns", "--no_plot", "--no_labels", "--processes", 1)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    forget_secrets()
    yield
    forget_secrets()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys `one` and `two`, an encrypted extraction E and the same plain."""
    folder = tmp_path_factory.mktemp("encryption")
    for number, name in enumerate(("one", "two")):
        (folder / name).write_text(f"{bytes([number] * 32).hex()}\n")
    with keys_from(f"file:{folder / 'one'}"):
        write_encrypted(folder)
    (folder / "plain").mkdir()
    write_extraction(folder / "plain")
    return folder


def write_encrypted(folder: Path) -> None:
    """Write E with hidden names: the configuration is there first, as in stage 1."""
    layout = Layout(str(folder / "E"))
    Path(layout.private).mkdir(parents=True)
    Path(layout.config).write_text(json.dumps({"encryption": describe_encryption(layout.config)}))
    encryption = json.loads(Path(layout.config).read_text())["encryption"]
    write_extraction(folder)
    config = {**json.loads(Path(layout.config).read_text()), "encryption": encryption}
    Path(layout.config).write_text(json.dumps(config))


@pytest.fixture
def output(root: Path, tmp_path: Path) -> Path:
    return copied(root / "E", tmp_path / "E")


def key(root: Path, name: str = "one") -> tuple[str, str]:
    return "--encryption_key", f"file:{root / name}"


def test_raw_bytes_hold_no_embedding_no_word_and_no_name(root: Path) -> None:
    with keys_from(f"file:{root / 'one'}"):
        index = load_index(str(root / "E"))
        vector = index.embedding[0]
        tracks = read_tracks(str(root / "E"), A).tracks
    assert index.recording_id == load_index(str(root / "plain/E")).recording_id == list(TALKS)
    secrets = [
        vector[:4].tobytes(),
        tracks.embedding[0, :4].tobytes(),
        b"a.wav",
        b"word1",
        b"day ",
        b"recording_id",
    ]
    files = [path for path in (root / "E").rglob("*") if path.is_file()]
    assert len(files) == 9, "tracks, index, plan, words; two configurations"
    for path in files:
        data = path.read_bytes()
        assert "day" not in str(path.relative_to(root)) and ".wav" not in path.name
        if path.name != "config.json":
            assert not [one for one in secrets if one in data], path
        if path.suffix in (".pq", ".parquet"):
            assert data[:4] == b"PARE"
            with pytest.raises(OSError, match="encrypted"):
                pq.read_table(path)


def test_event_logs_have_hidden_names_and_no_reasons(root: Path, output: Path) -> None:
    layout = Layout(str(output))
    with keys_from(f"file:{root / 'one'}"), EventLog(layout, 0, "run") as log:
        log.recording(0, RecordingRow(A, "/a", duration=1.0))
        log.recording(0, RecordingRow("day 1/b.wav", "/b", status="missing", error="/b is missing: b.wav"))
        hidden = Path(layout.tracks(A)).relative_to(output).with_suffix("")
    text = Path(layout.events(0)).read_text()
    assert "wav" not in text and "day" not in text
    assert str(hidden) in text and '"status": "missing"' in text


def test_stage_2_and_all_commands_read_with_the_key(root: Path, tmp_path: Path) -> None:
    done = detect_here(root / "E", tmp_path / "R", *TURNS, *key(root))
    assert done.returncode == 0, done.stderr
    plain = detect_here(root / "plain/E", tmp_path / "P", *TURNS)
    assert plain.returncode == 0
    assert (tmp_path / "R/all.rttm").read_text() == (tmp_path / "P/all.rttm").read_text()
    assert (tmp_path / "R/speakers.parquet").read_bytes()[:4] == b"PARE"
    assert os.environ.get(KEY_VARIABLE) is None
    for command in ("verify", "status"):
        told = diar(command, root / "E", *key(root))
        assert told.returncode == 0, told.stdout + told.stderr
    assert diar("verify", tmp_path / "R", *key(root), "--embeddings_dir", root / "E").returncode == 0


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "plan.pq: it is encrypted with key "),
        (["--encryption_key", "file:{root}/two"], "and the key given is"),
        (["--encryption_key", "file:{root}/three"], "there is no such file or folder"),
        (["--encryption_key", "env:DIAR_TEST_NOT_SET"], "the variable DIAR_TEST_NOT_SET is not set"),
        (["--encryption_key", "abc"], "--encryption_key is file:PATH, env:NAME or command:WORDS"),
        (["--encryption_key", "file:{root}/E/_extraction/config.json"], "is no key: 64 hexadecimal digits"),
        (["--encryption_key", "command:false"], "returned non-zero exit status 1"),
    ],
)
def test_a_missing_or_wrong_key_is_told(root: Path, tmp_path: Path, sources: list[str], message: str) -> None:
    given = [source.format(root=root) for source in sources]
    done = detect_here(root / "E", tmp_path / "R", *TURNS, *given)
    assert done.returncode == 2
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "R").exists()
    assert diar("verify", root / "E", *given).returncode == 2, "an error, no damage"


def test_one_flipped_bit_is_told_here_too(root: Path, output: Path) -> None:
    with keys_from(f"file:{root / 'one'}"):
        path = Path(Layout(str(output)).tracks(A))
    for bit in range(0, 8 * path.stat().st_size, 8 * 211):
        flip(path, bit + 3)
        done = diar("verify", output, *key(root), "--json")
        (problem,) = json.loads(done.stdout)["outputs"][0]["problems"]
        assert (done.returncode, problem["kind"], problem["recording_id"]) == (3, "damaged", A)
        flip(path, bit + 3)


def test_keys_come_from_files_variables_and_commands(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")  # `two` in Base64
    rings = []
    for source in (f"file:{root / 'two'}", "env:MY_KEY", f"command:cat '{root / 'two'}'"):
        with keys_from(source):
            rings.append(keyring())
    assert len({ring.keys[0] for ring in rings}) == 1
    with keys_from("env:MY_KEY"):
        data = protected(b"secret words")
        assert b"secret" not in data and revealed(data) == b"secret words"
        with pytest.raises(EncryptionError, match="was changed since"):
            revealed(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(EncryptionError, match="give it with `encryption_key`"):
        revealed(data)
    assert protected(b"x") == revealed(b"x") == b"x", "without a key, nothing is encrypted"


def test_another_key_and_the_old_one_is_of_no_use(root: Path, output: Path) -> None:
    before = {path.relative_to(output): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    section = output / "_extraction/sections/00009/0-1.npz"
    section.parent.mkdir(parents=True)
    with keys_from(f"file:{root / 'one'}"):
        section.write_bytes(protected(b"numbers"))
        whole = load_index(str(output)).embedding
    keys = ("--old_key", f"file:{root / 'one'}", "--new_key", f"file:{root / 'two'}")
    assert diar("rekey", root / "plain/E", *keys).returncode == 2
    for _ in range(2):  # as after a kill
        done = diar("rekey", output, *keys)
        assert (done.returncode, done.stdout) == (0, "8 files written again; only the new key reads them\n")
        assert diar("verify", output, *key(root, "two")).returncode == 0
        assert diar("verify", output, *key(root)).returncode == 2
    for path, data in before.items():
        if str(path) == "_words/config.json":
            continue  # a recogniser's settings
        assert (output / path).read_bytes() != data, "names stay, bytes do not"
    forget_secrets()
    with keys_from(f"file:{root / 'two'}"):
        np.testing.assert_array_equal(load_index(str(output)).embedding, whole)
        assert revealed(section.read_bytes()) == b"numbers"


def test_purging_leaves_it_encrypted(root: Path, output: Path) -> None:
    done = diar("purge", output, "--recording", A, *key(root), "--json")
    assert (done.returncode, json.loads(done.stdout)["left"]) == (0, [])
    assert diar("verify", output, *key(root)).returncode == 0
    assert {path.read_bytes()[:4] for path in output.rglob("*.p*q*") if path.is_file()} == {b"PARE"}


def test_stage_1_writes_it_and_refuses_to_mix(tiny_model_dir: Path, root: Path, tmp_path: Path) -> None:
    archive, out = write_archive(tmp_path / "archive", [1.0, 2.0]), tmp_path / "E"
    model = ("--model_dir", tiny_model_dir)
    done = extract(archive, out, *model, *key(root))
    assert done.returncode == 0, done.stderr
    assert not [path for path in out.rglob("*") if "part" in path.name or ".wav" in path.name]
    assert diar("verify", out, *key(root)).returncode == 0
    done = extract(archive, out, *model)
    assert done.returncode == 2 and "it is encrypted with key" in done.stderr
    shutil.rmtree(out)
    (out / "_extraction").mkdir(parents=True)
    plain = write_extraction(tmp_path / "plain")
    done = extract(archive, plain, *model, *key(root))
    assert done.returncode == 2, "another archive, and plain"
