"""Events of a live session as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from diar.formats.words.punctuation import ends_sentence

Turn = dict[str, Any]


class Display:
    """Keeps the turns, and says what is new in words."""

    def __init__(self) -> None:
        self.turns: dict[int, Turn] = {}
        self.names: dict[str, str] = {}
        self._said: list[dict[str, Any]] = []  # words of the sentence that goes on
        self._partial = ""

    def lines(self, event: dict[str, Any]) -> Iterator[str]:
        """Yield lines for one event."""
        kind = event["type"]
        if kind == "snapshot":
            talking = {number for number, turn in self.turns.items() if turn.get("open")}
            self.turns = {turn["id"]: {**turn, "open": turn["id"] in talking} for turn in event["turns"]}
            self.names = dict(event["names"])
        elif kind.startswith("turn."):
            yield from self._turn(kind, event)
        elif kind == "speaker.merged":
            yield f"{'':17}{self.name(event['speaker'])} is {self.name(event['into'])}: they are one"
            self._relabel(list(self.turns), event["speaker"], event["into"])
        elif kind == "speaker.split":
            yield f"{'':17}{self.name(event['speaker'])} is two: some turns are {self.name(event['into'])}'s"
            self._relabel(event["turns"], event["speaker"], event["into"])
        elif kind == "speaker.named":
            yield f"{'':17}{self.name(event['speaker'])} is called {event['name']}"
            self.names[event["speaker"]] = event["name"]
        elif kind == "word":
            yield from self._words(event)
        elif kind == "session.ended":
            yield from self._sentence()
        elif kind == "error":
            yield f"{'':17}{event['message']}"

    def now(self) -> str:
        """Return who is talking, for a line that is written over."""
        talking = [turn for turn in self.turns.values() if turn.get("open")]
        who = ", ".join(f"{self.name(turn['speaker'])} since {clock(turn['start'])}" for turn in talking)
        words = " ".join([*(word["text"] for word in self._said), self._partial]).strip()
        return f"{who}  {words}" if words else who

    def name(self, speaker: str) -> str:
        """Return what a speaker is called."""
        return self.names.get(speaker, f"speaker {speaker}")

    def _words(self, event: dict[str, Any]) -> Iterator[str]:
        """Yield a line for each sentence of one speaker that is certain."""
        for word in event["words"]:
            if self._said and word["speaker"] != self._said[-1]["speaker"]:
                yield from self._sentence()
            self._said.append(word)
            if ends_sentence(word["text"]):
                yield from self._sentence()
        self._partial = " ".join(word["text"] for word in event["partial"])

    def _sentence(self) -> Iterator[str]:
        if self._said:
            speaker = self._said[0]["speaker"]
            name = "somebody" if speaker is None else self.name(speaker)
            text = " ".join(word["text"] for word in self._said)
            yield f"{clock(self._said[0]['start']):>7}{'':10}{name}: {text}"
        self._said = []

    def _turn(self, kind: str, event: dict[str, Any]) -> Iterator[str]:
        turn, known = event["turn"], self.turns.get(event["turn"]["id"])
        if kind == "turn.corrected" and event["removed"]:
            self.turns.pop(turn["id"], None)
            if known is not None and not known.get("open"):
                yield f"{_span(turn)}  no turn: taken back"
            return
        still_open = kind == "turn.started" or (kind == "turn.updated" and (known or {}).get("open", True))
        self.turns[turn["id"]] = {**turn, "open": still_open}
        if kind == "turn.ended":
            yield f"{_span(turn)}  {self.name(turn['speaker'])}{self._with(turn)}"
        elif kind == "turn.corrected" and known is not None and known["speaker"] != turn["speaker"]:
            yield f"{_span(turn)}  {self.name(turn['speaker'])}, not {self.name(known['speaker'])}"

    def _with(self, turn: Turn) -> str:
        others = ", ".join(self.name(speaker) for speaker in turn["overlaps"])
        return f", over {others}" if others else ""

    def _relabel(self, identifiers: list[int], speaker: str, into: str) -> None:
        for identifier in identifiers:
            turn = self.turns.get(identifier)
            if turn is not None and turn["speaker"] == speaker:
                turn["speaker"] = into


def summary(ended: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    """Yield one line a speaker of the final turns."""
    seconds: dict[str, float] = {}
    for turn in ended["turns"]:
        seconds[turn["speaker"]] = seconds.get(turn["speaker"], 0.0) + turn["end"] - turn["start"]
    yield f"{clock(ended['duration'])} of audio, {len(seconds)} speakers, {len(ended['turns'])} turns"
    for speaker, total in sorted(seconds.items(), key=lambda item: -item[1]):
        yield f"  {clock(total):>8}  {names.get(speaker, f'speaker {speaker}')}"


def clock(seconds: float) -> str:
    """Return `m:ss.s`, or `h:mm:ss.s`."""
    tenths = round(10 * seconds)
    hours, rest = divmod(tenths, 36_000)
    minutes, tenths = divmod(rest, 600)
    text = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{text}" if hours else f"{minutes}:{text}"


def _span(turn: Turn) -> str:
    return f"{clock(turn['start']):>7}–{clock(turn['end']):<8}"
