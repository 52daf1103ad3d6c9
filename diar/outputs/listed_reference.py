"""True turns of a recording from the RTTM file that a manifest's `rttm_filepath` names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from diar import storage
from diar.errors import DiarError, explain
from diar.formats.matching import match_names
from diar.formats.rttm import RttmError, parse_rttm
from diar.records import Turn
from diar.wording import counted

_REMEMBERED = 4  # files; every recording of a corpus may name the same one


@dataclass(frozen=True)
class ListedReference:
    """Where the true turns of a recording are; the recording may be a part of a file.

    Attributes:
        url: an RTTM file, in the times of the audio file.
        name: id of the audio file; picks its turns where the RTTM holds several recordings.
        offset: seconds of the audio file before the recording starts.
        duration: of the recording, seconds.
    """

    url: str
    name: str
    offset: float
    duration: float

    def turns(self, recording_id: str) -> list[Turn]:
        """Read the turns of the recording, in seconds from its start.

        Raises:
            DiarError: it cannot be read, or is about other recordings.
        """
        found = _read(self.url)
        if len(found) > 1:
            meant = match_names([self.name], found)
            given = [name for name, wanted in meant.items() if wanted == self.name]
            if not given:
                raise DiarError(f"{self.url} holds {counted(len(found), 'recording')}, but not {self.name}")
            whole = found[given[0]]
        else:
            whole = next(iter(found.values()), [])
        end = self.offset + self.duration
        return [
            Turn(
                recording_id,
                max(turn.start - self.offset, 0.0),
                min(turn.end - self.offset, self.duration),
                turn.speaker,
            )
            for turn in whole
            if turn.end > self.offset and turn.start < end
        ]


@lru_cache(_REMEMBERED)
def _read(url: str) -> dict[str, list[Turn]]:
    try:
        text = storage.read_bytes(url).decode("utf-8-sig")
    except OSError as error:
        raise RttmError(explain(error)) from None
    except UnicodeDecodeError as error:
        raise RttmError(f"{url} is not UTF-8 (byte {error.start})") from None
    return parse_rttm(text, url)
