"""`names.json`: what is read, whom a name goes to, and what is refused."""

import json
from pathlib import Path

import pytest

from diar.formats.document import ResultError
from diar.formats.names import Moment, NamesError, PersonNames, check_names, read_names

PEOPLE = [("person_0001", "person_0001"), ("person_0002", "person_0002"), ("person_0003", "Bob")]


def written(folder: Path, document: object) -> str:
    path = folder / "names.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return str(path)


def test_names_by_hand_and_as_the_page_saves_them(tmp_path: Path) -> None:
    by_hand = read_names(written(tmp_path, {"person_0001": "Ann O'Neil-Ødegård 안"}))
    assert by_hand.names == {"person_0001": "Ann O'Neil-Ødegård 안"}
    saved = {"schema": "diar.names", "schema_version": "1.0", "names": {"person_0001": "Ann"}}
    heard = {"person_0001": {"recording": "a.wav", "time": 2}}
    names = read_names(written(tmp_path, {**saved, "heard": heard}))
    assert (names.names, names.heard) == ({"person_0001": "Ann"}, {"person_0001": Moment("a.wav", 2.0)})


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("{", "is not JSON"),
        ([], "holds no names"),
        ({"schema": "diar.turns"}, "holds no names"),
        ({"schema": "diar.names", "schema_version": "2.0", "names": {}}, "schema version 2.0"),
        ({"schema": "diar.names", "schema_version": "9" * 5000, "names": {}}, "schema version 999"),
        ({"person_0001": 7}, "holds no names by id"),
        ({"person_0001": " "}, "not empty"),
        ({"person_0001": "Ann\nBaker"}, "no line breaks"),
        ({"person_0001": "A" * 201}, "at most 200"),
        ({"p" * 5000: "A" * 5000}, "at most 200"),
        ({"person_0001": "Ann", "person_0002": "Ann"}, "both person_0001 and person_0002 'Ann'; naming does"),
        (
            {"schema": "diar.names", "schema_version": "1.0", "names": {"p": "Ann"}, "heard": {"p": 1}},
            "no recording and time",
        ),
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(tmp_path: Path, document: object, complaint: str) -> None:
    with pytest.raises((NamesError, ResultError), match=complaint) as raised:
        read_names(written(tmp_path, document))
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"person_0009": "Ann"}, "no such person; the ids are .* from person_0001 to person_0003"),
        ({"person_0001": "Bob"}, "'Bob', which is person_0003; naming does not merge"),
        ({"person_0001": "person_0002"}, "which is person_0002"),
        ({"person_0001": "person_0002", "person_0002": "Ann"}, "which is person_0002"),
    ],
)
def test_nobody_gets_the_name_of_somebody_else(given: dict[str, str], complaint: str) -> None:
    with pytest.raises(NamesError, match=complaint):
        check_names("names.json", given, PEOPLE)
    check_names("names.json", {"person_0003": "Ann", "person_0001": "Bob"}, PEOPLE)


def test_a_name_follows_the_voice_when_ids_have_changed() -> None:
    heard = {"person_0001": Moment("a.wav", 1.0), "person_0002": Moment("a.wav", 2.0)}
    names = PersonNames("n.json", {"person_0001": "Ann", "person_0002": "Bob"}, heard)
    there: dict[float, list[str]] = {1.0: ["person_0004"], 2.0: ["person_0002", "person_0004"]}
    assert names.of(lambda at: there[at.time]) == {"person_0004": "Ann", "person_0002": "Bob"}
    for now, complaint in (
        ([], "nobody speaks there now"),
        (["person_0007", "person_0008"], "person_0007 and person_0008 speak there"),
        (None, "no such recording"),
        (["person_0002"], "two names for person_0002: 'Ann' and 'Bob'"),
    ):
        with pytest.raises(NamesError, match=complaint):
            names.of(lambda at, now=now: now if at.time == 1.0 else there[2.0])
