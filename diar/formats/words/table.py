"""The formats that words are written in; a new one is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diar.formats.words.document import WORDS_NAME, RecordingWords, to_json
from diar.formats.words.other_tools import format_openai_diarized, format_transcript, format_whisperx
from diar.formats.words.speech_tools import format_ctm, format_seglst, format_stm, format_words_textgrid
from diar.formats.words.subtitles import format_srt, format_vtt


@dataclass(frozen=True)
class WordsFormat:
    """One format."""

    file_name: str
    write: Callable[[RecordingWords], str]
    what: str  # for --help


FORMATS = {
    "json": WordsFormat(WORDS_NAME, to_json, "everything that is known (docs/words-schema.md)"),
    "txt": WordsFormat("transcript.txt", format_transcript, "a text to read: NAME [00:12:05] what was said"),
    "srt": WordsFormat("words.srt", format_srt, "subtitles for players"),
    "vtt": WordsFormat("words.vtt", format_vtt, "subtitles for web pages, with voice tags"),
    "whisperx": WordsFormat("words.whisperx.json", format_whisperx, "as WhisperX writes it"),
    "openai": WordsFormat("words.diarized.json", format_openai_diarized, "OpenAI's diarized_json"),
    "ctm": WordsFormat("words.ctm", format_ctm, "NIST: a line a word"),
    "stm": WordsFormat("words.stm", format_stm, "NIST: a line a sentence, with speakers"),
    "seglst": WordsFormat("words.seglst.json", format_seglst, "CHiME and meeteval: an item a sentence"),
    "textgrid": WordsFormat("words.TextGrid", format_words_textgrid, "Praat: a tier a speaker"),
}
