"""Recognition by a server: what is asked, tried again, refused and told; over real sockets."""

import io
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.asr import requests
from diar.asr.addresses import read_key
from diar.asr.answers import parse_answer
from diar.asr.endpoint import Endpoint, EndpointSettings
from diar.asr.errors import RecognitionError, UnrecognisedError
from diar.asr.languages import LANGUAGES, language_code
from diar.asr.open import open_recogniser
from diar.asr.recogniser import RATE, Language
from diar.extras import install_line
from diar.records import Word
from tests.asr.servers import Asked, Reply, answer, serving

HELLO = {
    "text": "Hello, world.",
    "language": "english",
    "words": [{"word": "Hello", "start": 0.1, "end": 0.5}, {"word": "world", "start": 0.5, "end": 9.0}],
}
SECOND = np.zeros(RATE, np.float32)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_FIRST_PAUSE", 0.01)


def open_endpoint(url: str, **settings: object) -> Endpoint:
    return Endpoint(url, EndpointSettings(**settings))


def test_a_piece_is_posted_as_wav_and_its_words_come_back() -> None:
    piece = np.linspace(-1.5, 0.5, RATE, dtype=np.float32)
    with serving(answer(HELLO)) as server:
        recogniser = open_recogniser(
            server.url + "/", endpoint=EndpointSettings("large", key="secret", concurrent=2)
        )
        assert recogniser.recognise([piece], "en") == [[Word(0.1, 0.5, "Hello,"), Word(0.5, 1.0, "world.")]]
        (asked,) = server.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.headers["Authorization"] == "Bearer secret"
    for name, value in (
        ("model", "large"),
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "word"),
        ("temperature", "0"),
        ("language", "en"),
    ):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in asked.body
    wav = asked.body[asked.body.index(b"RIFF") :]
    samples, rate = sf.read(io.BytesIO(wav), dtype="float32", frames=RATE)
    assert rate == RATE and np.abs(samples - piece.clip(-1, 1)).max() < 1e-4
    assert recogniser.identity.settings == {"address": server.url}
    assert recogniser.identity.model == "large"


def test_the_piece_that_tells_the_language_is_sent_once() -> None:
    long = np.zeros(2 * RATE, np.float32)
    with serving(answer(HELLO)) as server:
        recogniser = open_endpoint(server.url)
        assert recogniser.detect([SECOND, long]) == Language("en")
        assert [len(words) for words in recogniser.recognise([SECOND, long], "en")] == [2, 2]
        assert len(server.asked) == 2
        assert b'name="language"' not in server.asked[0].body
        assert b'name="language"' in server.asked[1].body
        recogniser.recognise([long], "en")
        assert len(server.asked) == 3
        recogniser.detect([SECOND, long])
        recogniser.recognise([SECOND], "en")  # a batch before that of the piece that told it
        recogniser.recognise([long], "en")
        assert len(server.asked) == 5
    with serving(answer({"text": ""})) as server:
        assert open_endpoint(server.url).detect([SECOND]) is None


def test_pieces_go_out_together_and_come_back_in_order() -> None:
    together = threading.Barrier(3, timeout=30)

    def by_length(asked: Asked) -> Reply:
        together.wait()  # all three are here before any is answered
        seconds = len(asked.body) // (2 * RATE)
        return answer({"text": "x", "words": [{"word": f"w{seconds}", "start": 0, "end": 1}]})

    with serving(by_length) as server:
        pieces = [np.zeros(n * RATE, np.float32) for n in (3, 1, 2)]
        found = open_endpoint(server.url, concurrent=3).recognise(pieces, None)
    assert [[word.text for word in words] for words in found] == [["w3"], ["w1"], ["w2"]]


def test_what_is_busy_or_broken_is_tried_again_when_it_says() -> None:
    broken = (200, {"Content-Length": "1000"}, b'{"text": "He')
    busy = (503, {}, b"")
    with serving(busy, broken, (429, {"Retry-After": "1"}, b"slow down"), answer(HELLO)) as server:
        begun = time.monotonic()
        (words,) = open_endpoint(server.url).recognise([SECOND], "en")
        assert [word.text for word in words] == ["Hello,", "world."]
        assert 1.0 <= time.monotonic() - begun < 20
        assert len(server.asked) == 4
    with serving((500, {}, b'{"error": "out of\x1b[2J memory, key secret"}')) as server:
        with pytest.raises(RecognitionError) as told:
            open_endpoint(server.url, key="secret").recognise([SECOND], "en")
        assert not isinstance(told.value, UnrecognisedError)  # the server, not this audio
        assert "failed 7 times; the last time: 500: " in str(told.value)
        assert "\x1b" not in str(told.value) and "secret" not in str(told.value)
        assert len(server.asked) == 7


def test_other_answers_are_final() -> None:
    cases = (
        (401, RecognitionError, r"answers 401: no key; give its key by DIAR_ASR_KEY or `asr_key_file`"),
        (404, RecognitionError, "answers 404: no key"),
        (413, UnrecognisedError, "answers 413: no key"),
        (422, UnrecognisedError, "answers 422: no key"),
    )
    for status, kind, told in cases:
        with serving((status, {}, b"no key")) as server:
            with pytest.raises(RecognitionError, match=told) as raised:
                open_endpoint(server.url).recognise([SECOND], "en")
            assert type(raised.value) is kind
            assert len(server.asked) == 1


def test_a_server_that_refuses_everything_is_not_asked_for_ever() -> None:
    refused, kinds = (400, {}, b"unknown parameter"), []
    with serving(refused) as server:
        recogniser = open_endpoint(server.url)
        for _ in range(10):
            with pytest.raises(RecognitionError) as told:
                recogniser.recognise([SECOND], "en")
            kinds.append(type(told.value))
    assert kinds == [*[UnrecognisedError] * 9, RecognitionError]
    assert "as to everything so far" in str(told.value)
    with serving(answer(HELLO), refused) as server:
        recogniser = open_endpoint(server.url)
        recogniser.recognise([SECOND], "en")
        for _ in range(12):
            with pytest.raises(UnrecognisedError):
                recogniser.recognise([SECOND], "en")


def test_no_redirect_is_followed() -> None:
    with serving(answer(HELLO)) as other:
        for status in (301, 302, 307, 308):
            elsewhere = (status, {"Location": f"{other.url}/audio/transcriptions"}, b"")
            not_followed = pytest.raises(RecognitionError, match=r"redirects to .*, which is not followed")
            with serving(elsewhere) as server, not_followed:
                open_endpoint(server.url, key="secret").recognise([SECOND], "en")
        assert other.asked == []


def test_a_server_that_is_away_or_slow_is_said() -> None:
    with serving(answer(HELLO)) as server:
        gone = server.url
    with pytest.raises(RecognitionError, match=r"failed 4 times; the last time: .*refused"):
        open_endpoint(gone).recognise([SECOND], "en")

    def slow(asked: Asked) -> Reply:
        time.sleep(0.5)
        return answer(HELLO)

    with serving(slow) as server, pytest.raises(RecognitionError, match=r"failed 7 times; .*[Tt]imed out"):
        open_endpoint(server.url, timeout=0.05).recognise([SECOND], "en")


def test_answers_that_are_none_are_refused() -> None:
    def parse(text: str) -> list[Word]:
        return parse_answer(text.encode(), 2.0, "http://x").words

    for text in ("", "[]", "<html>", '"text"'):
        with pytest.raises(RecognitionError, match="no JSON object"):
            parse(text)
    with pytest.raises(RecognitionError, match="without `words`"):
        parse('{"text": "Hello"}')
    for words in (
        *('[{"word": "a"}]', '[{"word": 3, "start": 0, "end": 1}]', '["a"]', "[null]"),
        *('[{"word": "a", "start": NaN, "end": 1}]', '[{"word": "a", "start": "x", "end": 1}]'),
    ):
        with pytest.raises(UnrecognisedError, match="no text or times"):
            parse(f'{{"text": "a", "words": {words}}}')
    assert parse('{"text": " ", "words": []}') == []
    assert parse('{"text": "a", "words": [{"word": " ", "start": 0, "end": 1}]}') == []
    inside = '{"segments": [{"words": [{"word": " a.", "start": 3, "end": 1, "probability": 2}]}]}'
    assert parse(inside) == [Word(2.0, 2.0, "a.", 1.0)]
    other = '{"text": "Something else", "words": [{"word": "a", "start": 0, "end": 1}]}'
    assert parse(other) == [Word(0, 1, "a")]


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_LARGEST", 1000)
    with serving((200, {}, b" " * 100_000)) as server, pytest.raises(RecognitionError, match="more than"):
        open_endpoint(server.url).recognise([SECOND], "en")


def test_addresses_and_keys_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://", "http://host:port/v1", "https://:80"):
        with pytest.raises(RecognitionError, match="`asr` is no address"):
            open_recogniser(url)
    for url in ("http://me:secret@host/v1", "http://host/v1?key=secret"):
        with pytest.raises(RecognitionError) as told:
            open_recogniser(url)
        assert "secret" not in str(told.value) or "?" in url
    monkeypatch.delenv("DIAR_ASR_KEY", raising=False)
    assert read_key(None) is None
    monkeypatch.setenv("DIAR_ASR_KEY", "from-environment")
    assert read_key(None) == "from-environment"
    file = tmp_path / "key"
    file.write_text("from-file\n")
    assert read_key(str(file)) == "from-file"
    for content in ("", "two words", "line\nline", "schlüssel"):
        file.write_text(content)
        with pytest.raises(RecognitionError, match="holds no key") as told:
            read_key(str(file))
        assert not content or content not in str(told.value)
    with pytest.raises(RecognitionError, match="`asr_key_file="):
        read_key(str(tmp_path / "missing"))
    assert "secret" not in repr(EndpointSettings(key="secret"))


def test_languages_by_name_and_code() -> None:
    assert len(LANGUAGES) == 100
    assert [language_code(name) for name in ("English", "de", "haitian creole", "klingon", "")] == [
        "en",
        "de",
        "ht",
        None,
        None,
    ]


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(RecognitionError) as told:
        open_recogniser("http://host/v1")
    assert install_line("endpoint") in str(told.value)
