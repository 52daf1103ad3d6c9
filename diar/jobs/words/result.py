"""Words of a result: each word gets the speaker of stage 2's turns, and every recording its files."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

import diar
from diar.align.assignment import AssignmentSettings, assign_speakers
from diar.formats.html.words_text import WORDS_SCRIPT, words_script
from diar.formats.names import read_names
from diar.formats.turns_json import TURNS_NAME, RecordingTurns, read_recording_turns
from diar.formats.words.document import Dropped, Recogniser, RecordingWords
from diar.formats.words.table import FORMATS
from diar.jobs.ranks.lock import output_lock
from diar.jobs.words.config import WordsConfig
from diar.jobs.words.prepare import WordsJobError, read_settings
from diar.options.terminal import progress_stream
from diar.outputs.called import called_now, renamed
from diar.outputs.managed_directory import OutputError, lock_of
from diar.outputs.page.write import write_page
from diar.outputs.remote_output import working_copy
from diar.outputs.turns import recording_folder
from diar.records import OK, RecordingTracks, SpeakerTurns, Word
from diar.store.parquet import StoreError
from diar.store.reader import TracksReader, load_index
from diar.store.words import RecognisedRecording, WordsLayout, read_words
from diar.wording import counted

_PATIENCE = 60.0  # seconds for another one that writes to the result, after hours of recognition
_LISTED = 10  # recordings that were left out, on the terminal


@dataclass
class _Written:
    """What became of the recordings."""

    recordings: int = 0
    words: int = 0
    without_speaker: int = 0
    overlap: int = 0
    removed: int = 0  # files of earlier runs
    left_out: list[str] = field(default_factory=list)  # recordings, with the reason
    without_tracks: list[str] = field(default_factory=list)  # recordings whose tracks cannot be read

    def tracks_of(self, reader: TracksReader, recording_id: str, shard: int) -> RecordingTracks | None:
        """Read the tracks that tell who is likelier in overlap; note those that cannot be read."""
        try:
            return reader.read(recording_id, shard)
        except StoreError as error:
            self.without_tracks.append(f"{recording_id}: {error}")
            return None


def write_result(config: WordsConfig) -> None:
    """Write the words of all recordings that have turns, and say how many have no speaker.

    Raises:
        WordsJobError: `result` is no output of stage 2.
        LockError: something else has been writing to it for a minute.
    """
    assert config.result is not None
    lock = lock_of(config.result)
    with output_lock(lock, _PATIENCE), working_copy(config.result, change=True) as folder:
        _write_into(Path(folder), config, config.result)


def _write_into(result: Path, config: WordsConfig, told_as: str) -> None:
    """Write to the local folder of a result, which messages call `told_as`."""
    if not (result / "recordings").is_dir():
        raise WordsJobError(
            f"`result={config.result}` holds no turns of recordings; make them by "
            f"`diar detect --task turns --embeddings_dir {config.embeddings_dir} "
            f"--output_dir {config.result}`"
        )
    called = {} if config.names is None else called_now(result, read_names(config.names))
    settings, written = read_settings(WordsLayout(config.embeddings_dir)), _Written()
    tracks, rule = TracksReader(config.embeddings_dir), AssignmentSettings(change=config.speaker_change)
    for shard, told, words in tqdm(
        list(_recognised(config)), "words", unit="recording", disable=None, file=progress_stream()
    ):
        folder = result / recording_folder(told.recording_id)
        if told.status != OK:
            written.left_out.append(f"{told.recording_id}: {told.error or told.status}")
            written.removed += _remove_files(folder)
        elif not (folder / TURNS_NAME).is_file():
            where = str(folder).replace(str(result), told_as.rstrip("/"))
            written.left_out.append(f"{told.recording_id}: no {TURNS_NAME} in {where}")
            written.removed += _remove_files(folder)
        else:
            turns = read_recording_turns(folder / TURNS_NAME)
            own = _with_speakers(words, turns, written.tracks_of(tracks, told.recording_id, shard), rule)
            document = _document(settings, told, turns, own)
            written.removed += _remove_files(folder, config.format)
            _write_files(folder, renamed(document, called), config.format)
            _write_script(folder / WORDS_SCRIPT, document)
            _count(written, own)
    _tell(written, told_as)
    _write_page(result, called, told_as)


def _write_script(path: Path, document: RecordingWords) -> None:
    """Write what the page loads; its people have the names of the turns, however they are shown."""
    if document.words:
        path.write_bytes(words_script(document))


def _write_page(result: Path, called: Mapping[str, str], told_as: str) -> None:
    """Write the page again, with the words."""
    try:
        page = str(write_page(str(result), None, called)).replace(str(result), told_as.rstrip("/"))
        print(f"one look at the result, to read and listen: {page}", file=sys.stderr)
    except OutputError as error:
        print(f"warning: no page was written: {error}", file=sys.stderr)


def _recognised(config: WordsConfig) -> list[tuple[int, RecognisedRecording, list[Word]]]:
    """Return the recordings of the archive in order, as they were recognised."""
    layout, index = WordsLayout(config.embeddings_dir), load_index(config.embeddings_dir)
    found, shards = [], {int(shard) for shard in index.shard}
    words = {shard: read_words(layout, shard) for shard in sorted(shards)}
    for recording_id, shard in zip(index.recording_id, index.shard.tolist(), strict=True):
        if recording_id in words[shard]:
            found.append((shard, *words[shard][recording_id]))
    return found


def _with_speakers(
    words: list[Word],
    turns: RecordingTurns,
    tracks: RecordingTracks | None,
    rule: AssignmentSettings,
) -> list[Word]:
    shift = turns.offset if turns.times == "file" else 0.0  # words count from the start of the part
    return assign_speakers(words, SpeakerTurns.of(turns.turns).shifted(-shift), tracks, rule)


def _document(
    settings: dict[str, Any], told: RecognisedRecording, turns: RecordingTurns, words: list[Word]
) -> RecordingWords:
    return RecordingWords(
        program=f"diar {diar.__version__}",
        recording_id=told.recording_id,
        path=turns.path,
        duration=turns.duration,
        language=told.language,
        language_probability=told.language_probability,
        recogniser=Recogniser(
            settings["engine"], settings["model"], settings["sha256"], dict(settings["settings"])
        ),
        words=words,
        dropped=Dropped(told.outside_speech, told.repeated),
    )


def _write_files(folder: Path, document: RecordingWords, formats: tuple[str, ...]) -> None:
    for name in formats:
        one = FORMATS[name]
        (folder / one.file_name).write_text(one.write(document), encoding="utf-8", newline="\n")


def _remove_files(folder: Path, kept: Collection[str] = ()) -> int:
    """Remove what earlier runs wrote of a recording's words, but for the formats `kept`; return how many.

    They would contradict what this run writes. The script of the page is not counted: nobody asked for it.
    """
    (folder / WORDS_SCRIPT).unlink(missing_ok=True)
    found = [folder / one.file_name for name, one in FORMATS.items() if name not in kept]
    stale = [path for path in found if path.is_file()]
    for path in stale:
        path.unlink()
    return len(stale)


def _count(written: _Written, words: list[Word]) -> None:
    written.recordings += 1
    written.words += len(words)
    written.without_speaker += sum(word.speaker is None for word in words)
    written.overlap += sum(word.overlap for word in words)


def _tell(written: _Written, place: str) -> None:
    print(
        f"words of {counted(written.recordings, 'recording')} -> {place}: {written.without_speaker:,} of "
        f"{counted(written.words, 'word')} without a speaker, {written.overlap:,} in overlap",
        file=sys.stderr,
    )
    if written.removed:
        print(
            f"{counted(written.removed, 'file')} of an earlier run removed: other formats, or recordings "
            "without words now",
            file=sys.stderr,
        )
    _list([f"not written: {line}" for line in written.left_out])
    if written.without_tracks:
        print(
            f"warning: the tracks of {counted(len(written.without_tracks), 'recording')} cannot be read: "
            "in overlap, nothing tells there who is likelier",
            file=sys.stderr,
        )
        _list(written.without_tracks)


def _list(lines: list[str]) -> None:
    for line in lines[:_LISTED]:
        print(f"  {line}", file=sys.stderr)
    if len(lines) > _LISTED:
        print(f"  … and {len(lines) - _LISTED:,} more", file=sys.stderr)
