"""`names.json`: what people are called, as the page of a result saves it, or as written by hand.

    {"schema": "diar.names", "schema_version": "1.0",
     "names": {"person_0003": "Ann"},
     "heard": {"person_0003": {"recording": "a/b.wav", "time": 12.3}}}

Names belong to the ids of `speakers.csv`. Where `heard` says when a person speaks, the name goes to whoever
speaks there: ids change with the archive and the options, voices do not. `{"person_0003": "Ann"}` alone is
read, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import category

from diar.errors import DiarError
from diar.formats.document import parse_document, read_document
from diar.texts import from_json as parse_json

NAMES_NAME = "names.json"
SCHEMA = "diar.names"
SCHEMA_VERSION = "1.0"
_LONGEST = 200  # characters
_SHOWN = 200  # characters of what a message quotes
_NOT_IN_NAMES = frozenset(["Cc", "Cs", "Zl", "Zp"])  # control characters, half letters, ends of lines
_MERGING = (
    "naming does not merge people: if they are one person, run stage 2 with a lower `link_probability`, or "
    "enrol the voice (`known_speakers`)"
)


class NamesError(DiarError):
    """Names that cannot be given."""


@dataclass(frozen=True)
class Moment:
    """Where a person speaks."""

    recording: str  # id
    time: float  # seconds from its start


@dataclass(frozen=True)
class PersonNames:
    """Names by the id of the person.

    Raises:
        NamesError: a name that cannot be one, or two people of one name.
    """

    source: str  # what errors call it
    names: Mapping[str, str]
    heard: Mapping[str, Moment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        owner: dict[str, str] = {}
        for person, name in self.names.items():
            fault = _fault(name)
            if fault:
                raise NamesError(f"{self.source} calls {person[:_SHOWN]} {name[:_SHOWN]!r}: {fault}")
            other = owner.setdefault(name, person)
            if other != person:
                raise NamesError(
                    f"{self.source} calls both {other[:_SHOWN]} and {person[:_SHOWN]} {name!r}; {_MERGING}"
                )

    def of(self, speaking: Callable[[Moment], Collection[str] | None]) -> dict[str, str]:
        """Return the names by id as the people are numbered now.

        Args:
            speaking: returns the ids of those who speak at a moment; None where there is no such recording.

        Raises:
            NamesError: nobody speaks at a moment, or several others do; two names for one person.
        """
        found: dict[str, str] = {}
        for person, name in self.names.items():
            now = person if person not in self.heard else self._who(person, self.heard[person], speaking)
            if now in found:
                raise NamesError(
                    f"{self.source} has two names for {now}: {found[now]!r} and {name!r}; the archive or the "
                    "options changed, and two people are one now: take one of the names out"
                )
            found[now] = name
        return found

    def _who(self, person: str, moment: Moment, speaking: Callable[[Moment], Collection[str] | None]) -> str:
        there = speaking(moment)
        if there is not None and person in there:
            return person
        if there is not None and len(there) == 1:
            return next(iter(there))
        what = "there is no such recording" if there is None else f"{_several(sorted(there))} there now"
        raise NamesError(
            f"{self.source} calls the voice at {moment.time:g} s of {moment.recording[:_SHOWN]} "
            f"{self.names[person]!r}, but {what}; name {person[:_SHOWN]} again, or take it out of `heard`: "
            "then the name goes to whoever has that id"
        )


def _fault(name: str) -> str:
    if not name or name != name.strip():
        return "a name is not empty, and has no blanks at its ends"
    if any(category(letter) in _NOT_IN_NAMES for letter in name):
        return "a name has no line breaks and no other control characters"
    return f"a name has at most {_LONGEST} characters" if len(name) > _LONGEST else ""


def _several(people: list[str]) -> str:
    return f"{' and '.join(people)} speak" if people else "nobody speaks"


def check_names(source: str, given: Mapping[str, str], now: Iterable[tuple[str, str]]) -> None:
    """Check new names, by id, against all people (id, name) as they are called now.

    Raises:
        NamesError: somebody whom nobody knows, or the name of somebody else.
    """
    called = dict(now)
    for person in given:
        if person not in called:
            raise NamesError(
                f"{source} names {person[:_SHOWN]!r}, but there is no such person; the ids are the "
                f"speaker_id of speakers.csv, from {min(called, default='none')} to "
                f"{max(called, default='none')}"
            )
    others = {name: person for person, name in called.items() if person not in given}
    others |= {person: person for person in called}  # an id may not be the name of somebody else
    for person, name in given.items():
        if others.get(name, person) != person:
            raise NamesError(
                f"{source} calls {person[:_SHOWN]} {name!r}, which is {others[name]}; {_MERGING}"
            )


def from_json(text: str, name: str) -> PersonNames:
    """Parse names; `name` is what errors call the file.

    Raises:
        ResultError: not JSON, or of a later major schema version.
        NamesError: no names, or such as cannot be given.
    """
    document = _plain(text)
    if document is None:
        what = f"holds no names (its 'schema' is not {SCHEMA!r}); the page of a result saves them"
        document = parse_document(text, name, SCHEMA, SCHEMA_VERSION, what)
    names, heard = document.get("names"), document.get("heard", {})
    if not isinstance(names, dict) or not all(isinstance(one, str) for one in names.values()):
        raise NamesError(f'{name}: \'names\' holds no names by id, such as {{"person_0001": "Ann"}}')
    try:
        moments = {one: Moment(str(at["recording"]), float(at["time"])) for one, at in heard.items()}
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise NamesError(f"{name}: 'heard' holds no recording and time by id") from None
    return PersonNames(name, names, moments)


def _plain(text: str) -> dict[str, Any] | None:
    """Return a file that only has names by id as a document."""
    try:
        document = parse_json(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or "schema" in document:
        return None
    return {"names": document}


def read_names(path: str) -> PersonNames:
    """Read a `names.json`.

    Raises:
        ResultError: the file is missing, unreadable or not JSON.
        NamesError: no names, or such as cannot be given.
    """
    return read_document(Path(path), from_json)
