"""`diar purge` through the command: nothing is left by id, path or vector, and it does not come back."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diar import storage
from diar.custody.removal.tombstone import Tombstone, of_extraction, of_result
from diar.leases.alone import Waiting
from diar.leases.lock_files import only_writer
from diar.outputs.managed_directory import lock_of
from diar.store.layout import Layout
from diar.store.parquet import write_table
from diar.store.reader import load_index, read_plan, read_tracks
from diar.store.schema import matrix
from tests.commands import ROOT, clean_environment, detect_here
from tests.custody.sample import TASKS, VOICES, copied, diar, write_extraction, write_result
from tests.detect.observations_sample import converse, write_store
from tests.store.test_packed import write_packed

A, B = "day 1/a.wav", "day 1/b.wav"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extraction E, a result R with everything in it."""
    folder = tmp_path_factory.mktemp("purge")
    write_extraction(folder)
    write_result(folder, "--manifests", "lhotse,nemo,kaldi", "--exclusive", "--debug")
    return folder


@pytest.fixture
def outputs(root: Path, tmp_path: Path) -> tuple[Path, Path]:
    return copied(root / "E", tmp_path / "E"), copied(root / "R", tmp_path / "R")


def texts(place: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of an output with its name and its content as text, Parquet decoded."""
    for path in place.rglob("*"):
        name = str(path.relative_to(place))
        target = os.readlink(path) if path.is_symlink() else ""
        if path.suffix in (".parquet", ".pq"):
            yield name, repr((pq.read_table(path).to_pylist(), pq.read_metadata(path).metadata)).encode()
        elif path.is_file():
            data = path.read_bytes()
            yield name, (gzip.decompress(data) if path.suffix == ".gz" else data) + target.encode()
        else:
            yield name, b""


def mentions(place: Path, recording_id: str) -> list[str]:
    """Files that name a recording, in any spelling; an own search, simpler than the command's."""
    forms = [recording_id, recording_id.replace(" ", "%20"), recording_id.replace("/", "\\/")]
    return [
        name
        for name, text in texts(place)
        if any(form in name or form.encode() in text for form in forms) and "ba.wav" not in name
    ]


def vectors(place: Path) -> np.ndarray:
    """(n, D) all vectors of an output."""
    found = []
    for path in (*place.rglob("*.parquet"), *place.rglob("*.pq")):
        table = pq.read_table(path)
        names = [n for n in table.column_names if pa.types.is_fixed_size_list(table.schema.field(n).type)]
        found += [matrix(table[name]) for name in names]
    return np.concatenate(found)


def purge(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = diar("purge", *arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def clean(*places: Path) -> bool:
    return all(diar("verify", place).returncode == 0 for place in places)


def test_nothing_is_left_by_id_path_or_vector(outputs: tuple[Path, Path], root: Path) -> None:
    place, result = outputs
    index = load_index(str(place))
    gone = np.vstack([read_tracks(str(place), A).tracks.embedding, index.embedding[:1]])
    assert mentions(place, A) and len(mentions(result, A)) > 15
    shown = diar("purge", place, result, "--recording", A, "--dry_run")
    assert (shown.returncode, shown.stdout.splitlines()) == (0, [A, "1 recording would go from 2 outputs"])
    assert clean(place, result) and mentions(place, A)

    told = purge(place, result, "--recording", A)
    assert (told["recordings"], told["left"]) == ([A], [])
    assert mentions(place, A) == mentions(result, A) == []
    assert not mentions(place, str(root / "audio" / A)) and not mentions(result, str(root / "audio" / A))
    left = np.concatenate([vectors(place), vectors(result)])
    cosine = left[np.isfinite(left).all(axis=1)] @ gone.T
    assert cosine.max() < 0.99999, "another recording's vector of the same voice is another vector"
    assert clean(place, result)
    assert len(load_index(str(place))) == 3
    assert (root / "audio" / A).exists(), "the audio stays"

    rows = pq.read_table(result / "speakers.parquet").to_pylist()
    heard = [[B, "day 2/ba.wav"], [B, "day 2/c.wav"], ["day 2/ba.wav"], ["day 2/c.wav"]]
    assert sorted(row["recordings"] for row in rows) == heard
    assert [row["centroid"] is None for row in rows].count(True) == 2, "both voices of the recording"
    spoken = sum(row["turns"] for row in rows)
    assert spoken == len((result / "all.rttm").read_text().splitlines())


def test_it_does_not_come_back(outputs: tuple[Path, Path], root: Path) -> None:
    place, result = outputs
    purge(result, "--recording", A, B)
    options = ("--place", "none", "--processes", 1, "--no_plot")
    done = detect_here(root / "E", result, "--task", "all", *options)  # stage 1 still has them
    assert done.returncode == 0, done.stderr
    assert mentions(result, A) == mentions(result, B) == []
    tombstone = (result / "_detection/purged.json").read_text()
    assert "day" not in tombstone and "a.wav" not in tombstone
    purge(place, "--recording", A)
    held = Tombstone.read(of_extraction(str(place)))
    assert held.holds(A) and not held.holds(B)
    assert not set(held.sha256) & set(Tombstone.read(of_result(str(result))).sha256), "salted by output"
    assert purge(place, "--recording", A)["left"] == [], "asked again"


def test_a_person_goes_with_every_recording_they_speak_in(outputs: tuple[Path, Path]) -> None:
    place, result = outputs
    rows = pq.read_table(result / "speakers.parquet").to_pylist()
    person = next(row["name"] for row in rows if row["recordings"] == [A, B, "day 2/ba.wav"])
    told = purge(place, result, "--person", person)
    assert told["recordings"] == [A, B, "day 2/ba.wav"]
    assert [one for one in texts(result) if person.encode() in one[1]] == []
    assert load_index(str(place)).recording_id == ["day 2/c.wav"] and clean(place, result)


def test_labels_and_folders_of_enrolment_are_people_and_ages_count(outputs: tuple[Path, Path]) -> None:
    place, _ = outputs
    layout = Layout(str(place))
    plan = read_plan(layout)
    labels, mtimes = pa.array(["anna", None, None, None]), pa.array([1.0, 9e9, 0.0, 9e9])
    for name, column in (("label", labels), ("mtime", mtimes)):
        field = plan.schema.get_field_index(name)
        plan = plan.set_column(field, plan.schema.field(field), column.cast(plan.schema.field(field).type))
    write_table(layout.plan, plan, {})
    assert purge(place, "--person", "anna", "--dry_run")["recordings"] == [A]
    assert purge(place, "--person", "day 2", "--dry_run")["recordings"] == ["day 2/ba.wav", "day 2/c.wav"]
    told = purge(place, "--older_than", "90d", "--dry_run")
    assert (told["recordings"], told["age_unknown"], told["removed"]) == ([A], 1, False)


@pytest.mark.parametrize("after", [1, 4, 8, 12, 16])
def test_a_purge_that_is_killed_goes_on(
    outputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    place, result = outputs
    person = "person_0002"
    whole = [copied(one, tmp_path / f"whole{one.name}") for one in outputs]
    expected = purge(*whole, "--person", person)["recordings"]

    class Killed(BaseException):
        """As by a signal: nothing catches it."""

    written, opened = [0], storage.open_atomic

    def killing(url: str) -> Any:
        written[0] += 1
        if written[0] > after:
            raise Killed
        return opened(url)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(storage, "open_atomic", killing)
        diar("purge", place, result, "--person", person)
    assert "a purge was interrupted" in diar("verify", place).stdout + diar("verify", result).stdout
    told = purge(place, result, "--person", person)
    assert (told["recordings"], told["left"]) == (expected, [])
    assert clean(place, result)
    for one, other in zip(outputs, whole, strict=True):
        assert dict(contents(one)) == dict(contents(other))
        assert not list(one.rglob("purge_under_way.json"))


def test_nothing_is_left_after_kill_9_in_the_middle_and_the_same_command(outputs: tuple[Path, Path]) -> None:
    place, result = outputs
    index = load_index(str(place))
    gone = np.vstack([read_tracks(str(place), A).tracks.embedding, index.embedding[:1]])
    call = [sys.executable, "-m", "diar", "purge", str(place), str(result), "--recording", A]
    process = subprocess.Popen(call, cwd=ROOT, env=clean_environment(), stdout=subprocess.DEVNULL)
    while not under_way(*outputs) and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert under_way(*outputs) and mentions(result, A), "it was not in the middle"
    told = purge(place, result, "--recording", A)
    assert (told["recordings"], told["left"], under_way(*outputs)) == ([A], [], [])
    assert mentions(place, A) == mentions(result, A) == [] and clean(place, result)
    left = np.concatenate([vectors(place), vectors(result)])
    assert (left[np.isfinite(left).all(axis=1)] @ gone.T).max() < 0.99999
    assert not [path for one in outputs for path in one.rglob(".diar-*")], "temporary files are left"


# Kills the process when half of the first file is written that `open_atomic` is asked for
KILLED_WRITING = """
import os, signal, sys
from contextlib import contextmanager
from diar import storage
from diar.cli import main

opened = storage.open_atomic

class Half:
    def __init__(self, file):
        self.file = file

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def killing(url):
    with opened(url) as file:
        yield Half(file)

storage.open_atomic = killing
main(["purge", *sys.argv[1:]])
"""


@pytest.mark.parametrize("of_extraction_too", [False, True])
def test_nothing_is_left_after_kill_9_while_the_first_journal_is_written(
    outputs: tuple[Path, Path], of_extraction_too: bool
) -> None:
    places = outputs if of_extraction_too else outputs[1:]
    call = [sys.executable, "-c", KILLED_WRITING, *map(str, places), "--recording", A]
    assert subprocess.run(call, cwd=ROOT, env=clean_environment()).returncode == -signal.SIGKILL
    (half,) = (path for place in places for path in place.rglob(".diar-*"))
    assert half.parent.name == ("_extraction" if of_extraction_too else "_detection")
    assert half.stat().st_size > 0 and not under_way(*places) and mentions(outputs[1], A)
    told = purge(*places, "--recording", A)
    assert (told["recordings"], told["left"]) == ([A], [])
    assert all(mentions(place, A) == [] for place in places) and clean(*places)
    assert not [path for place in places for path in place.rglob(".diar-*")], "temporary files are left"
    assert not list(outputs[1].rglob("run.lock"))


def test_what_stage_2_writes_to_is_not_purged(outputs: tuple[Path, Path]) -> None:
    place, result = outputs
    with only_writer(lock_of(str(result)), Waiting(0.0, print), print):
        refused = diar("purge", place, result, "--recording", A)
        mended = diar("verify", result, "--repair")
        looked = diar("verify", result)
    for done in (refused, mended):
        told = f"another run is writing here, process {os.getpid()} on "
        assert done.returncode == 2 and told in done.stderr, done.stderr
    assert mentions(place, A) and mentions(result, A) and not under_way(place, result)
    assert looked.returncode == 0 and "did not write" not in looked.stdout, looked.stdout


def under_way(*places: Path) -> list[Path]:
    """The journals of purges that have not ended."""
    return [path for place in places for path in place.rglob("purge_under_way.json")]


def contents(place: Path) -> Iterator[tuple[str, bytes]]:
    """Files and texts of an output that do not depend on when or where it was made."""
    changing = ("purged.json", "index.html", "written")
    return ((name, text) for name, text in texts(place) if not any(one in name for one in changing))


def test_a_foreign_file_that_names_it_stays_and_is_told(outputs: tuple[Path, Path]) -> None:
    place, result = outputs
    (result / "recordings" / A / "notes.txt").write_text("mine")
    (place / "list.txt").write_text(f"x/{A}\n{A}\n")
    left = purge(place, result, "--recording", A, code=3)["left"]
    assert {one["where"] for one in left} == {f"recordings/{A}/notes.txt", "list.txt"}
    assert (result / "recordings" / A / "notes.txt").exists()


def test_outputs_inside_a_result_are_found_and_nothing_else_is_taken_for_one(
    root: Path, tmp_path: Path
) -> None:
    result = copied(root / "R", tmp_path / "R")
    copied(root / "E", result / "embeddings")
    assert purge(result, "--recording", A)["outputs"] == [str(result / "embeddings"), str(result)]
    assert mentions(result, A) == [] and clean(result)
    assert diar("purge", tmp_path, "--recording", A).returncode == 2


def test_packed_files_are_written_again(tmp_path: Path) -> None:
    tracks = write_packed(tmp_path / "P", {"a/1.wav": 3, "a/2.wav": 2, "a/3.wav": 4, "b/4.wav": 1})
    config = Layout(str(tmp_path / "P")).config
    before = json.loads(Path(config).read_text())
    assert purge(tmp_path / "P", "--recording", "a/2.wav", "b/4.wav")["left"] == []
    assert json.loads(Path(config).read_text()) == before
    index = load_index(str(tmp_path / "P"))
    assert index.recording_id == ["a/1.wav", "a/3.wav"]
    for name in index.recording_id:
        found = read_tracks(str(tmp_path / "P"), name).tracks
        np.testing.assert_array_equal(found.start, tracks[name].start)
    assert not (tmp_path / "P/b").exists()
    told = json.loads(diar("verify", tmp_path / "P", "--json").stdout)["outputs"][0]["problems"]
    assert {one["where"] for one in told} == {"_extraction/config.json"}, "the sample's own"


def test_parts_of_a_file_go_one_by_one(tmp_path: Path) -> None:
    first, second = "b.mp4@0.00-40.00", "b.mp4@100.00-140.00"
    talks = {name: converse(VOICES[:2], 40.0, seed=1) for name in (first, second, "c.wav")}
    file = {"part_seconds": 40.0, "path": str(tmp_path / "audio/b.mp4"), "channels": 2}
    write_store(tmp_path, talks, known={first: {**file, "offset": 0.0}, second: {**file, "offset": 100.0}})
    options = ("--task", "all", "--place", "none", "--no_plot", "--no_labels", "--processes", 1)
    manifests = ("--manifests", "lhotse,nemo,kaldi", "--times", "file")
    done = detect_here(tmp_path / "E", tmp_path / "R", *options, *manifests)
    assert done.returncode == 0, done.stderr
    assert purge(tmp_path / "E", tmp_path / "R", "--recording", first)["left"] == []
    assert not list((tmp_path / "R").glob("manifests/*/*/*")), "they do not tell the parts apart"
    assert (tmp_path / "R/recordings" / second / "turns.json").exists()
    done = detect_here(tmp_path / "E", tmp_path / "R", *options, *manifests)
    assert purge(tmp_path / "E", tmp_path / "R", "--recording", second)["left"] == []
    assert mentions(tmp_path / "E", "b.mp4") == mentions(tmp_path / "R", "b.mp4") == []
    assert list((tmp_path / "R").glob("manifests/turns/kaldi/segments"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recording", "day 1/x.wav"], "no output given holds a recording 'day 1/x.wav'"),
        (["--person", "nobody"], "1 name that no output given knows: --person takes names"),
        (
            ["--older_than", "90"],
            "--older_than '90' (from flag): a number and one of h, d, w, m, y is needed",
        ),
        ([], "say what is to go: --recording, --person or --older_than"),
    ],
)
def test_what_cannot_be_asked_is_said_and_nothing_is_removed(
    outputs: tuple[Path, Path], options: list[str], message: str
) -> None:
    done = diar("purge", *outputs, *options)
    assert done.returncode == 2 and message in done.stderr
    assert clean(*outputs) and not list(outputs[0].rglob("purge*"))


def test_no_name_of_a_person_is_in_the_logs(root: Path, tmp_path: Path) -> None:
    names = {"names": {"person_0001": "Zoë Secret"}}
    (tmp_path / "names.json").write_text(
        json.dumps({**names, "schema": "diar.names", "schema_version": "1.0"})
    )
    done = detect_here(root / "E", tmp_path / "R", *TASKS, "--names", tmp_path / "names.json")
    assert done.returncode == 0 and "Zoë Secret" in (tmp_path / "R/all.rttm").read_text().replace("%20", " ")
    assert "Secret" not in done.stdout + done.stderr
    told = diar("purge", root / "E", tmp_path / "R", "--person", "Zoë Secret", "--dry_run")
    assert told.returncode == 0 and "Secret" not in told.stdout


def test_results_are_private_unless_they_are_shared(root: Path, tmp_path: Path) -> None:
    modes = {"none": 0o600, "group": 0o640, "all": 0o644}
    for share, mode in modes.items():
        before = os.umask(0o022)
        try:
            done = detect_here(root / "E", tmp_path / share, "--place", "none", "--no_plot", "--share", share)
        finally:
            os.umask(before)
        assert done.returncode == 0
        assert (tmp_path / share / "files.csv").stat().st_mode & 0o777 == mode
