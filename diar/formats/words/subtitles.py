"""SRT and WebVTT of words with speakers.

SRT has no escapes. FFmpeg, VLC and pysubs2 take `<A>` for a tag and hide it; libass, behind FFmpeg, takes
backslashes for line ends and hides what stands in braces; some read `&lt;` as HTML. A word joiner (U+2060),
which nobody sees, keeps such text from being read so; braces have no such remedy and are written full-width.
"""

from __future__ import annotations

import re

from diar.formats.words.cues import Cue, make_cues
from diar.formats.words.document import RecordingWords
from diar.formats.words.utterances import NOBODY
from diar.letters import one_line

_WORD_JOINER = "\u2060"
_READ_AS_MARKUP = re.compile(r"<|\\|&(?=#?\w+;)|--(?=>)")
_BRACES = str.maketrans("{}", "\uff5b\uff5d")
_VTT_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def format_srt(result: RecordingWords) -> str:
    """Format SubRip subtitles; a speaker's name stands where the speaker changes."""
    cues = make_cues(result.words, result.language, names=True)
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_plain(_lines(cue))}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def format_vtt(result: RecordingWords) -> str:
    """Format WebVTT (W3C): the speaker of each cue is its voice tag, which players can style and search."""
    cues = make_cues(result.words, result.language, names=False)
    blocks = [f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_voiced(cue)}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def _lines(cue: Cue) -> str:
    return "\n".join(one_line(line) for line in cue.lines)


def _plain(text: str) -> str:
    """Return `text` so that SRT's readers show all of it."""
    return _READ_AS_MARKUP.sub(rf"\g<0>{_WORD_JOINER}", text).translate(_BRACES)


def _voiced(cue: Cue) -> str:
    text = _lines(cue).translate(_VTT_ENTITIES)
    if cue.speaker == NOBODY:
        return text
    return f"<v {' '.join(one_line(cue.speaker).split()).translate(_VTT_ENTITIES)}>{text}</v>"


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"
