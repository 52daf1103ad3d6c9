"""What was said in one recording, and by whom: the result, and the forms that others read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import diar
from diar.api.data_frame import data_frame
from diar.api.diarization import Diarization
from diar.api.errors import ArgumentError
from diar.asr.recogniser import Identity
from diar.asr.recording import Heard
from diar.formats.words.document import Dropped, Recogniser, RecordingWords
from diar.formats.words.table import FORMATS
from diar.formats.words.utterances import whole_text
from diar.records import Word
from diar.wording import counted

if TYPE_CHECKING:
    import pandas


class Transcript:
    """What was said in a recording, and by whom. `transcribe` gives one.

    Times are seconds from the recording's start.

    Attributes:
        words: ascending by start; `speaker` is one of `diarization.speakers`, None for nobody's.
        language: ISO 639-1; None where the recogniser could not tell.
        diarization: the speakers and their turns.
    """

    def __init__(
        self, diarization: Diarization, words: Sequence[Word], heard: Sequence[Heard], identity: Identity
    ) -> None:
        self.diarization, self.words = diarization, list(words)
        language = next((one.language for one in heard if one.language is not None), None)
        self.language = None if language is None else language.code
        self.record = RecordingWords(
            program=f"diar {diar.__version__}",
            recording_id=diarization.id,
            path=diarization.voice.stored.recording.path,
            duration=diarization.duration,
            language=self.language,
            language_probability=None if language is None else language.probability,
            recogniser=Recogniser(identity.engine, identity.model, identity.sha256, dict(identity.settings)),
            words=self.words,
            dropped=Dropped(
                sum(one.cleaned.outside_speech for one in heard), sum(one.cleaned.repeated for one in heard)
            ),
            warnings=diarization.warnings,
        )

    def __repr__(self) -> str:
        speakers = counted(len(self.speakers), "speaker")
        return f"Transcript({self.diarization.id!r}, {speakers}, {counted(len(self.words), 'word')})"

    @property
    def text(self) -> str:
        """All sentences in one line, without speakers."""
        return whole_text(self.words, self.language)

    @property
    def speakers(self) -> list[str]:
        """Speakers of the words, by first word."""
        return self.record.speakers

    @property
    def warnings(self) -> list[str]:
        """What a person should know of the recording, in words."""
        return self.record.warnings

    def to_json(self) -> str:
        """Return all of it as `words.json` (docs/words-schema.json)."""
        return self.to("json")

    def to_text(self) -> str:
        """Return a text to read: `NAME [00:12:05] what was said`, a paragraph a speaker."""
        return self.to("txt")

    def to_srt(self) -> str:
        """Return SubRip subtitles."""
        return self.to("srt")

    def to_vtt(self) -> str:
        """Return WebVTT subtitles, whose voice tags name the speakers."""
        return self.to("vtt")

    def to(self, form: str) -> str:
        """Return it in a form of `diar words --format`, such as `whisperx`, `openai`, `ctm`.

        Raises:
            ArgumentError: no such form.
        """
        if form not in FORMATS:
            raise ArgumentError(f"`form={form}` is none of {', '.join(FORMATS)}")
        return FORMATS[form].write(self.record)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table of the words: start, end, text, probability, speaker, overlap, channel.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return data_frame(Word, self.words)
