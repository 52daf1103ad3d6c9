"""Messages: schemas, their files, what is refused at the edge."""

import json
import sys

import pytest
import yaml
from jsonschema import Draft202012Validator

from diar.connectors.kafka.audio.checkpoints import Checkpoint, Place
from diar.connectors.kafka.audio.samples import Form
from diar.connectors.kafka.errors import PoisonError
from diar.connectors.kafka.messages.reference import Reference, parse_reference
from diar.connectors.kafka.messages.schemas import REFERENCE, SCHEMAS
from tests.commands import ROOT

sys.path.insert(0, str(ROOT / "docs"))

import generate_stream_schemas as generator


def test_the_files_of_schemas_are_current() -> None:
    made = generator.files()
    assert {path.name for path in generator.FOLDER.iterdir()} == set(made)
    for name, text in made.items():
        assert (generator.FOLDER / name).read_text(encoding="utf-8") == text, (
            "run docs/generate_stream_schemas.py"
        )
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_all_topics_and_files_of_the_asyncapi_document_exist() -> None:
    from diar.connectors.kafka.topics import KINDS

    document = yaml.safe_load((generator.FOLDER / generator.ASYNCAPI).read_text(encoding="utf-8"))
    assert set(document["channels"]) == set(KINDS)
    for kind, channel in document["channels"].items():
        message = channel["messages"][kind]
        for reference in (message.get("payload"), message.get("headers")):
            if reference is not None:
                json.loads((generator.FOLDER / reference["$ref"]).read_text(encoding="utf-8"))
    operations = document["operations"].values()
    assert {one["channel"]["$ref"].rpartition("/")[2] for one in operations} == set(KINDS)


def reference(**fields: object) -> tuple[bytes, bytes]:
    value = {"schema": REFERENCE, "id": "a/b.wav", "audio": "s3://in/b.wav", **fields}
    return str(value["id"]).encode(), json.dumps(value).encode()


def test_a_reference_and_back() -> None:
    found = parse_reference(*reference(num_speakers=2, words=True, language="en", revision="2"), ())
    assert found.of_speakers == {"num_speakers": 2} and found.words and found.revision == "2"
    assert parse_reference(found.id.encode(), found.to_bytes(), ()) == found
    versions = {"models": "a"}
    same = Reference(found.id, found.audio, "2", {"language": "en", "words": True, "num_speakers": 2})
    assert same.fingerprint(versions) == found.fingerprint(versions)
    for other in (Reference(found.id, found.audio, "3", found.options), Reference("c", found.audio, "2")):
        assert other.fingerprint(versions) != found.fingerprint(versions)
    assert found.fingerprint({"models": "b"}) != found.fingerprint(versions)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"id": "../x"}, "cannot name a recording"),
        ({"num_speakers": 0}, "minimum"),
        ({"num_speakers": 2, "max_speakers": 3}, "should not be valid"),
        ({"language": "en"}, "'words' is a required property"),
        ({"preset": "opera"}, "is not one of"),
        ({"shema": 1}, "Additional properties"),
        ({"schema": "diar.reference/2"}, "was expected"),
    ],
)
def test_what_is_no_reference_is_poison(fields: dict[str, object], told: str) -> None:
    with pytest.raises(PoisonError, match=told) as error:
        parse_reference(*reference(**fields), ())
    assert error.value.reason == "schema"


@pytest.mark.parametrize(
    "audio",
    ["s3://out/b.wav", "s3://in/../b.wav", "s3://in/%2e%2e/b.wav", "/etc/passwd", "s3://in/a::file:///b"],
)
def test_only_audio_below_allowed_urls_is_read(audio: str) -> None:
    assert parse_reference(*reference(), ("s3://in/",)).audio == "s3://in/b.wav"
    with pytest.raises(PoisonError, match="may not be read") as error:
        parse_reference(*reference(audio=audio), ("s3://in/",))
    assert error.value.reason == "forbidden"


def test_a_checkpoint_and_back() -> None:
    saved = Checkpoint(
        7, Form("pcm_s16le", 48_000, 2), 9, 4_096, 1_365, 3, 3, b"tail\n", b"state\n", {4: b""}
    )
    assert Checkpoint.from_bytes(saved.to_bytes()) == saved
    large = Checkpoint(7, saved.form, 9, state=bytes(900_000))
    records = Place("t", 0, b"s").of_state(large, parts=5)
    sizes = [None if one.value is None else len(one.value) for one in records]
    assert sizes[:2] == [400_000, 400_000] and sizes[3:] == [None, None]
    assert Checkpoint.from_bytes(b"".join(one.value or b"" for one in records)) == large
    with pytest.raises(PoisonError):
        Checkpoint.from_bytes(saved.to_bytes()[:-1])
    with pytest.raises(PoisonError):
        Checkpoint.from_bytes(b'{"schema": "diar.state/1"}\n')
    with pytest.raises(PoisonError):
        Checkpoint.from_bytes(b"\xff\xfe")
