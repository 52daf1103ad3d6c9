"""Words of a result: each word gets the speaker of stage 2's turns, and every recording its files."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

import diar
from diar.align.assignment import assign_speakers
from diar.formats.turns_json import TURNS_NAME, RecordingTurns, read_recording_turns
from diar.formats.words.document import Dropped, Recogniser, RecordingWords
from diar.formats.words.table import FORMATS
from diar.jobs.words.config import WordsConfig
from diar.jobs.words.prepare import WordsJobError, read_settings
from diar.outputs.turns import recording_folder
from diar.records import OK, RecordingTracks, SpeakerTurns, Word
from diar.store.parquet import StoreError
from diar.store.reader import TracksReader, load_index
from diar.store.words import RecognisedRecording, WordsLayout, read_words
from diar.wording import counted

_LISTED = 10  # recordings that were left out, on the terminal


@dataclass
class _Written:
    """What became of the recordings."""

    recordings: int = 0
    words: int = 0
    without_speaker: int = 0
    overlap: int = 0
    left_out: list[str] = field(default_factory=list)  # recordings, with the reason


def write_result(config: WordsConfig) -> None:
    """Write the words of all recordings that have turns, and say how many have no speaker.

    Raises:
        WordsJobError: `result` is no output of stage 2.
    """
    assert config.result is not None
    result = Path(config.result)
    if not (result / "recordings").is_dir():
        raise WordsJobError(
            f"`result={config.result}` holds no turns of recordings; make them by "
            f"`diar detect --task turns --embeddings_dir {config.embeddings_dir} "
            f"--output_dir {config.result}`"
        )
    settings, written = read_settings(WordsLayout(config.embeddings_dir)), _Written()
    tracks = TracksReader(config.embeddings_dir)
    for shard, told, words in tqdm(list(_recognised(config)), "words", unit="recording", disable=None):
        folder = result / recording_folder(told.recording_id)
        if told.status != OK:
            written.left_out.append(f"{told.recording_id}: {told.error or told.status}")
        elif not (folder / TURNS_NAME).is_file():
            written.left_out.append(f"{told.recording_id}: no {TURNS_NAME} in {folder}")
        else:
            turns = read_recording_turns(folder / TURNS_NAME)
            own = _with_speakers(told, words, turns, _read_tracks(tracks, told.recording_id, shard))
            _write_files(folder, _document(settings, told, turns, own), config.format)
            _count(written, own)
    _tell(written, config.result)


def _recognised(config: WordsConfig) -> list[tuple[int, RecognisedRecording, list[Word]]]:
    """Return the recordings of the archive in order, as they were recognised."""
    layout, index = WordsLayout(config.embeddings_dir), load_index(config.embeddings_dir)
    found, shards = [], {int(shard) for shard in index.shard}
    words = {shard: read_words(layout, shard) for shard in sorted(shards)}
    for recording_id, shard in zip(index.recording_id, index.shard.tolist(), strict=True):
        if recording_id in words[shard]:
            found.append((shard, *words[shard][recording_id]))
    return found


def _read_tracks(reader: TracksReader, recording_id: str, shard: int) -> RecordingTracks | None:
    try:
        return reader.read(recording_id, shard)
    except StoreError:
        return None  # the turns are there; only who is likelier in overlap stays unknown


def _with_speakers(
    told: RecognisedRecording, words: list[Word], turns: RecordingTurns, tracks: RecordingTracks | None
) -> list[Word]:
    shift = turns.offset if turns.times == "file" else 0.0  # words count from the start of the part
    return assign_speakers(words, SpeakerTurns.of(turns.turns).shifted(-shift), tracks)


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
    for line in written.left_out[:_LISTED]:
        print(f"  not written: {line}", file=sys.stderr)
    if len(written.left_out) > _LISTED:
        print(f"  … and {len(written.left_out) - _LISTED:,} more", file=sys.stderr)
