"""Folders, table, JSON and plot: what is written, and what is never touched."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from matplotlib.image import imread

from diar.formats.document import ResultError
from diar.formats.files_table import FileTable
from diar.formats.result_json import RESULT_NAME, Boundary, Segment, Speaker, from_json, to_json
from diar.outputs import folders
from diar.outputs.boundaries import PLOT_NAME, write_results
from diar.outputs.folders import Placement, check_audio, plan_folders
from diar.outputs.managed_directory import OutputError
from diar.plots.boundaries import draw_boundaries
from diar.plots.boundary_parts import aggregate
from diar.plots.style import person_color
from tests.outputs.sample import NAMES, make_audio, make_result, make_table

SCHEMA = Path(__file__).parents[2] / "docs" / "result-schema.json"
PLACES = [
    f"speaker_001/{NAMES[0]}",
    f"odd_files/speaker_001/{NAMES[1]}",
    f"speaker_001/{NAMES[2]}",
    f"speaker_002/{NAMES[3]}",
    f"speaker_002/{NAMES[4]}",
]


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    make_audio(tmp_path / "audio")
    return tmp_path / "audio"


def write(
    output: Path, audio: Path, how: str = "symlink", audio_dir: str | None = None, **changes: object
) -> None:
    table = replace(make_table(audio), **changes)
    write_results(str(output), make_result(), table, Placement(how, audio_dir), plot=False, debug=None)


def placed(output: Path) -> set[str]:
    return {
        str(path.relative_to(output))
        for path in output.rglob("*")
        if not path.is_dir() and path.relative_to(output).parts[0].startswith(("speaker_0", "odd_files"))
    }


@pytest.mark.parametrize("how", ["symlink", "hardlink", "copy"])
def test_every_file_lies_in_its_speakers_folder(how: str, audio: Path, tmp_path: Path) -> None:
    output = tmp_path / "R"
    write(output, audio, how)
    assert placed(output) == set(PLACES)
    for name, place in zip(NAMES, PLACES, strict=False):
        path = output / place
        assert path.read_bytes() == name.encode()
        assert path.is_symlink() == (how == "symlink")
        assert path.samefile(audio / name) == (how != "copy")


def test_none_places_nothing(audio: Path, tmp_path: Path) -> None:
    write(tmp_path / "R", audio, "none")
    assert placed(tmp_path / "R") == set()
    assert (tmp_path / "R" / RESULT_NAME).exists()


@pytest.mark.parametrize("first", ["symlink", "hardlink", "copy"])
@pytest.mark.parametrize("second", ["symlink", "copy", "none"])
def test_a_second_run_replaces_only_its_own(first: str, second: str, audio: Path, tmp_path: Path) -> None:
    output = tmp_path / "R"
    write(output, audio, first)
    mine = [output / "speaker_001" / "notes.txt", output / "mine" / "x.wav", output / "todo.md"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    write(output, audio, second, speaker=["speaker_001"] * 5 + [""], odd=[""] * 6)
    expected = {f"speaker_001/{name}" for name in NAMES[:5]} if second != "none" else set()
    assert placed(output) == expected | {"speaker_001/notes.txt"}
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert not (output / "odd_files").exists() and not (output / "speaker_002").exists()
    assert sorted(p.name for p in audio.rglob("*") if p.is_file()) == sorted(Path(n).name for n in NAMES)


def test_what_someone_else_put_there_stops_the_run_before_anything_changes(
    audio: Path, tmp_path: Path
) -> None:
    output = tmp_path / "R"
    (output / "speaker_001" / "a").mkdir(parents=True)
    (output / PLACES[0]).write_text("mine")
    with pytest.raises(OutputError, match=r"is in the way.*`output_dir`"):
        write(output, audio)
    assert (output / PLACES[0]).read_text() == "mine"
    assert not (output / RESULT_NAME).exists()


def test_a_copy_that_was_edited_is_kept(audio: Path, tmp_path: Path) -> None:
    output = tmp_path / "R"
    write(output, audio, "copy")
    (output / PLACES[0]).write_text("denoised by hand")
    with pytest.raises(OutputError, match="changed since"):
        write(output, audio, "copy")
    write(output, audio, "none")
    assert placed(output) == {PLACES[0]}


def test_an_interrupted_run_is_cleaned_up(
    audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "R"
    write(output, audio, "symlink")
    made = []

    def place_two(kind: str, source: str, path: str) -> None:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(path)
        Path(path).symlink_to(source)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "_place", place_two)
        with pytest.raises(KeyboardInterrupt):
            write(output, audio, speaker=["speaker_007"] * 5 + [""])
    assert len(placed(output)) == 2
    write(output, audio)
    assert placed(output) == set(PLACES)


def test_links_that_stay_the_same_are_not_made_again(audio: Path, tmp_path: Path) -> None:
    output = tmp_path / "R"

    def made() -> dict[str, int]:
        return {place: (output / place).lstat().st_ctime_ns for place in placed(output)}

    write(output, audio)
    before = made()
    (output / PLACES[1]).unlink()
    write(output, audio, speaker=["speaker_002", *["speaker_001"] * 2, *["speaker_002"] * 2, ""])
    after = made()
    assert set(before) & set(after) == set(PLACES[1:]), "the first file is another's now"
    assert [before[place] == after[place] for place in PLACES[1:]] == [False, True, True, True]
    (output / PLACES[1]).unlink()
    (output / PLACES[1]).symlink_to(tmp_path)
    with pytest.raises(OutputError, match="changed since"):
        write(output, audio)
    assert (output / PLACES[1]).readlink() == tmp_path


def test_missing_audio_is_counted_before_anything_is_done(audio: Path) -> None:
    (audio / NAMES[3]).unlink()
    recordings = [(name, str(audio / name)) for name in NAMES]
    with pytest.raises(OutputError, match=r"1 of 6 audio files not found.*b/1\.wav.*`audio_dir`"):
        check_audio(Placement("symlink", None), recordings)
    check_audio(Placement("none", None), recordings)


def test_audio_dir_says_where_the_archive_lies_now(audio: Path, tmp_path: Path) -> None:
    moved = audio.rename(tmp_path / "moved")
    table = make_table(tmp_path / "gone")
    check_audio(Placement("symlink", str(moved)), zip(table.path, table.url, strict=True))
    write(tmp_path / "R", tmp_path / "gone", audio_dir=str(moved))
    assert (tmp_path / "R" / PLACES[3]).samefile(moved / NAMES[3])


def test_remote_audio_can_be_copied_but_not_linked(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://archive/1.wav", "wb") as file:
        file.write(b"remote")
    url = "memory://archive/1.wav"
    with pytest.raises(OutputError, match=r"not local and cannot get a symlink; use `place=copy`"):
        check_audio(Placement("symlink", None), [("1.wav", url)])
    table = FileTable(["1.wav"], [url], np.zeros(1, int), ["speaker_001"], [""], np.ones(1), np.ones(1))
    output = tmp_path / "R"
    for _ in range(2):
        write_results(str(output), make_result(), table, Placement("copy", None), plot=False, debug=None)
        assert (output / "speaker_001" / "1.wav").read_bytes() == b"remote"


def test_a_hard_link_across_file_systems_says_what_to_do(audio: Path, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OutputError, match=r"different file systems.*`place=copy`"):
        write(tmp_path / "R", audio, "hardlink")


def test_utterance_ids_get_the_suffix_of_their_audio() -> None:
    table = FileTable(
        ["utt1"], ["/x/a.flac"], np.zeros(1, int), ["speaker_001"], [""], np.ones(1), np.ones(1)
    )
    assert plan_folders(table, Placement("symlink", None))[0][0].name == "speaker_001/utt1.flac"


def test_two_recordings_at_one_place_are_refused() -> None:
    table = FileTable(
        ["u", "u.wav"],
        ["/x/u.wav", "/y/u.wav"],
        np.zeros(2, int),
        ["s", "s"],
        ["", ""],
        np.ones(2),
        np.ones(2),
    )
    with pytest.raises(OutputError, match=r"2 recordings would be placed at s/u\.wav"):
        plan_folders(table, Placement("symlink", None))


def test_a_remote_output_is_refused(audio: Path) -> None:
    with pytest.raises(OutputError, match="not local"):
        write_results(
            "memory://r", make_result(), make_table(audio), Placement("none", None), plot=False, debug=None
        )


def test_the_table_has_a_row_for_each_recording(audio: Path, tmp_path: Path) -> None:
    write(tmp_path / "R", audio, "none")
    text = (tmp_path / "R" / "files.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in rows] == NAMES
    assert [row["segment"] for row in rows] == ["1", "1", "1", "2", "2", ""]
    assert (rows[1]["odd"], rows[1]["similarity"]) == ("foreign", "0.1000")


def test_json_follows_its_schema_and_comes_back() -> None:
    text = to_json(make_result())
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert from_json(text, "x") == make_result()
    assert make_result().counts()["low_confidence_boundaries"] == 1
    assert "warning: look here" in make_result().summary()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "no boundary result"),
        ('{"schema": "other"}', "no boundary result"),
        ('{"schema": "diar.speaker_boundaries", "schema_version": "3.0"}', "schema version 3.0"),
        ('{"schema": "diar.speaker_boundaries", "schema_version": "1.0"}', "does not follow"),
    ],
)
def test_other_files_are_no_results(text: str, message: str) -> None:
    with pytest.raises(ResultError, match=message):
        from_json(text, "x.json")


def long_result(files: int, segments: int) -> tuple[object, FileTable]:
    edges = np.linspace(0, files, segments + 1).astype(int)
    names = [f"{i}.wav" for i in range(files)]
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    speakers = [f"speaker_{i % 7 + 1:03d}" for i in range(segments)]
    result = replace(
        make_result(),
        recordings=files,
        segments=[
            Segment(i + 1, speakers[i], "", a, b, names[a], names[b - 1], b - a, 0.8)
            for i, (a, b) in enumerate(spans)
        ],
        boundaries=[Boundary(a, names[a - 1], names[a], None, 4.0, 0.9, "changepoint") for a, _ in spans[1:]],
        speakers=[Speaker(name, [1], 5) for name in sorted(set(speakers))],
        odd_files=[],
    )
    of_file = np.repeat(np.arange(segments), np.diff(edges))
    across = np.full(files, 0.9)
    across[0] = np.nan
    return result, FileTable(
        names, names, of_file, [speakers[i] for i in of_file], [""] * files, np.full(files, 0.8), across
    )


@pytest.mark.parametrize(("files", "segments"), [(1, 1), (40, 3), (2_500, 60), (60_000, 6_000)])
def test_the_plot_shows_every_segment_at_any_size(files: int, segments: int, tmp_path: Path) -> None:
    result, table = long_result(files, segments)
    image = imread(io.BytesIO(draw_boundaries(result, table)))
    assert image.shape[0] > 800 and image.shape[1] > 1500
    shown = np.unique((image[:, :, :3] * 255).round().astype(int).reshape(-1, 3), axis=0)
    for i in range(len(result.speakers)):  # the strip of speakers holds each one's colour
        color = np.array([round(255 * c) for c in person_color(i)])
        assert (np.abs(shown - color).max(axis=1) <= 1).any()


def test_doubtful_boundaries_are_enlarged() -> None:
    result, table = long_result(60, 4)
    plain = imread(io.BytesIO(draw_boundaries(result, table)))
    boundaries = [replace(one, confidence=0.4 + 0.1 * i) for i, one in enumerate(result.boundaries)]
    table.segment[29] = -1  # without an embedding, next to a boundary
    doubtful = imread(io.BytesIO(draw_boundaries(replace(result, boundaries=boundaries), table)))
    assert doubtful.shape[0] > plain.shape[0] + 200


def test_plot_is_written_and_goes_away_without_it(audio: Path, tmp_path: Path) -> None:
    output = tmp_path / "R"
    for plot in (True, False):
        write_results(
            str(output),
            make_result(),
            make_table(audio),
            Placement("none", None),
            plot=plot,
            debug=[{"index": 3}],
        )
        assert (output / PLOT_NAME).exists() == plot
        rows = list(csv.DictReader((output / "boundaries.csv").open(encoding="utf-8", newline="")))
        assert [(row["before"], row["after"]) for row in rows] == [(NAMES[2], NAMES[3])]
        assert rows[0]["position"] == "3" and rows[0]["doubtful"] == "yes"
        assert (rows[0]["speaker_before"], rows[0]["speaker_after"]) == ("speaker_001", "speaker_002")
    assert json.loads((output / "_detection" / "debug.json").read_text()) == [{"index": 3}]


def test_aggregation_keeps_the_least_of_each_column() -> None:
    values = np.random.default_rng(0).random(50_000)
    values[::7] = np.nan
    values[12_345] = -1.0
    centers, low, mean = aggregate(values)
    column = int(np.abs(centers - 12_345).argmin())
    assert low[column] == -1.0
    assert mean.mean() == pytest.approx(0.5, abs=0.01)
    assert np.isfinite(mean).all()
