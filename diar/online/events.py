"""What a live stream tells: frozen events, each one JSON object (docs/live.md, docs/live-schema.json).

Times are seconds from the start of the stream.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

SCHEMA_VERSION = "1.1"
_DECIMALS = 3  # of seconds and confidences in JSON


@dataclass(frozen=True, slots=True)  # thousands are kept
class LiveTurn:
    """One speaker talks from `start` to `end`.

    Attributes:
        id: number in the stream, from 1; never used again.
        speaker: number in the stream, from "1"; a name is told by `speaker.named`.
        start: seconds.
        end: seconds; of an open turn, up to where it was heard.
        overlaps: other speakers who talk within it.
        confidence: 0 … 1 that it is this speaker and no other.
        final: times and speaker never change from now on.
    """

    id: int
    speaker: str
    start: float
    end: float
    overlaps: tuple[str, ...] = ()
    confidence: float = 0.0
    final: bool = False


@dataclass(frozen=True)
class Event:
    """Base of all events.

    Attributes:
        seq: number in the stream, from 1, without gaps.
        time: seconds of the stream that were heard when the event was made.
        delay: seconds from the moment that the event tells of to `time`.
    """

    type: ClassVar[str]
    seq: int
    time: float
    delay: float

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain values, `type` first."""
        return {"type": self.type, **rounded(asdict(self))}

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class SessionStarted(Event):
    """The stream begins, or goes on from a saved state.

    Attributes:
        restored: it goes on; `time` says where.
        sample_rate: Hz of the samples that are fed.
        hop: seconds from one look at the audio to the next.
        correction_seconds: a turn may change for so long.
        models: name and sha256 of the networks, and what they run on.
        schema_version: of these events.
    """

    type: ClassVar[str] = "session.started"
    restored: bool
    sample_rate: int
    hop: float
    correction_seconds: float
    models: dict[str, str]
    schema_version: str = SCHEMA_VERSION


@dataclass(frozen=True)
class SpeechStarted(Event):
    """Somebody begins to speak after silence, at `start`; who it is follows."""

    type: ClassVar[str] = "speech.started"
    start: float


@dataclass(frozen=True)
class TurnEvent(Event):
    """Base of events that carry a turn: what clients hold under the same `id` is replaced by it."""

    turn: LiveTurn


@dataclass(frozen=True)
class TurnStarted(TurnEvent):
    """A speaker begins to talk, or is found to have done so."""

    type: ClassVar[str] = "turn.started"


@dataclass(frozen=True)
class TurnUpdated(TurnEvent):
    """An open turn goes on: `end`, `overlaps` and `confidence` are new."""

    type: ClassVar[str] = "turn.updated"


@dataclass(frozen=True)
class TurnEnded(TurnEvent):
    """The speaker has stopped."""

    type: ClassVar[str] = "turn.ended"


@dataclass(frozen=True)
class TurnCorrected(TurnEvent):
    """Speaker, start or end of a turn were wrong, or there was no such turn.

    Attributes:
        was: the turn before.
        removed: there is no such turn; forget its `id`.
    """

    type: ClassVar[str] = "turn.corrected"
    was: LiveTurn
    removed: bool = False


@dataclass(frozen=True)
class TurnFinal(TurnEvent):
    """Times and speaker of the turn never change from now on."""

    type: ClassVar[str] = "turn.final"


@dataclass(frozen=True)
class SpeakerMerged(Event):
    """Two speakers are one: whatever is `speaker`'s, final or not, is `into`'s from now on."""

    type: ClassVar[str] = "speaker.merged"
    speaker: str
    into: str


@dataclass(frozen=True)
class SpeakerSplit(Event):
    """One speaker is two: those turns of `speaker` that `turns` names are `into`'s, a new speaker."""

    type: ClassVar[str] = "speaker.split"
    speaker: str
    into: str
    turns: tuple[int, ...]


@dataclass(frozen=True)
class SpeakerNamed(Event):
    """A speaker has a name: that of a known voice, or one that was given by `rename`.

    Attributes:
        known: the voice was enrolled; otherwise the name was given.
        confidence: 0 … 1 that it is that voice; 1 where the name was given.
    """

    type: ClassVar[str] = "speaker.named"
    speaker: str
    name: str
    known: bool = False
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class LiveWord:
    """One word.

    Attributes:
        text: as it is written, with the marks around it.
        start: seconds.
        end: seconds.
        speaker: of the turn; None = nobody's.
        turn: that covers it; whoever's that turn is found to be later, the word is, too.
        probability: 0 … 1 that this was said; None where the recogniser tells none.
        overlap: somebody else talks meanwhile.
    """

    text: str
    start: float
    end: float
    speaker: str | None
    turn: int | None
    probability: float | None
    overlap: bool


@dataclass(frozen=True)
class WordsHeard(Event):
    """What was said. `delay` counts from the end of the audio that was listened to.

    Attributes:
        words: follow those of earlier events; text and times never change.
        partial: all words after those so far; they replace the `partial` of the event before.
    """

    type: ClassVar[str] = "word"
    words: tuple[LiveWord, ...]
    partial: tuple[LiveWord, ...]


@dataclass(frozen=True)
class FinalTurn:
    """One turn of the whole stream as the offline pipeline finds it; `speaker` as in the events before."""

    speaker: str
    start: float
    end: float


@dataclass(frozen=True)
class SessionEnded(Event):
    """The stream is over.

    Attributes:
        duration: seconds.
        turns: of the whole stream, found anew by the offline pipeline from all that was heard.
        names: of the speakers that have one.
    """

    type: ClassVar[str] = "session.ended"
    duration: float
    turns: tuple[FinalTurn, ...]
    names: dict[str, str] = field(default_factory=dict)


EVENTS: tuple[type[Event], ...] = (
    SessionStarted,
    SpeechStarted,
    TurnStarted,
    TurnUpdated,
    TurnEnded,
    TurnCorrected,
    TurnFinal,
    SpeakerMerged,
    SpeakerSplit,
    SpeakerNamed,
    WordsHeard,
    SessionEnded,
)


def rounded(value: Any) -> Any:
    """Return plain values with the decimals of events."""
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
