"""New names for the people of a result that is on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from diar.formats import spreadsheet
from diar.formats.document import ResultError
from diar.formats.names import Moment, PersonNames, check_names
from diar.formats.turns_json import TURNS_NAME, read_recording_turns
from diar.formats.words.document import RecordingWords
from diar.outputs.speakers_table import SPEAKERS_CSV
from diar.outputs.turns import recording_folder


def called_now(root: Path, names: PersonNames) -> dict[str, str]:
    """Return new names of people, by those that the turns in `root` have.

    Raises:
        ResultError: `root` holds no table of people.
        NamesError: somebody who is not there, or the name of somebody else.
    """
    path = root / SPEAKERS_CSV
    try:
        with path.open(encoding="utf-8", newline="") as file:
            id_of = {row["name"]: row["speaker_id"] for row in spreadsheet.rows(file)}
    except (OSError, KeyError) as error:
        raise ResultError(f"{path} cannot be read ({error!r}); run stage 2 with `task=turns` again") from None

    def speaking(moment: Moment) -> set[str] | None:
        folder = root / recording_folder(moment.recording)
        if not (folder / TURNS_NAME).is_file():
            return None
        found = read_recording_turns(folder / TURNS_NAME)
        time = moment.time + (found.offset if found.times == "file" else 0.0)
        return {id_of[turn.speaker] for turn in found.turns if turn.start <= time < turn.end}

    given = names.of(speaking)
    check_names(names.source, given, ((person, name) for name, person in id_of.items()))
    return {name: given[person] for name, person in id_of.items() if person in given}


def renamed(result: RecordingWords, called: Mapping[str, str]) -> RecordingWords:
    """Return the words with new names of their speakers."""
    if not called:
        return result
    words = [
        word if word.speaker is None else replace(word, speaker=called.get(word.speaker, word.speaker))
        for word in result.words
    ]
    return replace(result, words=words)
