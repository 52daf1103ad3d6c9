"""Models of transformers: a CTC network whose output is known by construction; the real Whisper tiny.en."""

import json
import sys
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from diar.asr.attention_times import monotonic_path
from diar.asr.errors import RecognitionError
from diar.asr.open import open_recogniser
from diar.asr.recogniser import Language, Recogniser
from diar.extras import install_line
from diar.records import Word
from tests.asr.checkpoints import (
    END,
    FRAME,
    RATE,
    ctc_of_tones,
    spell,
    whisper_from_ctranslate2,
    write_tokenizer,
)
from tests.conftest import named_weights

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ctc_of_tones(tmp_path_factory.mktemp("ctc") / "tones")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    source = named_weights("whisper-tiny.en")
    folder = whisper_from_ctranslate2(source, tmp_path_factory.mktemp("whisper") / "tiny.en")
    return open_recogniser(str(folder), beam_size=1)


def test_a_ctc_network_writes_the_words_at_their_times(tones: Path) -> None:
    recogniser = open_recogniser(str(tones))
    pieces = [spell("BAD CAFE"), spell("EGGHEAD"), np.zeros(10, np.float32), spell("DEAF A BAGGAGE FEE")]
    first, second, nothing, last = recogniser.recognise(pieces, None)
    assert [word.text for word in first] == ["BAD", "CAFE"]
    step = FRAME / RATE
    # three letters of three frames and two frames between them; a blank and four frames around it
    assert [(word.start, word.end) for word in first] == [
        pytest.approx((0, 11 * step)),
        pytest.approx((16 * step, 31 * step)),
    ]
    assert [word.text for word in second] == ["EGGHEAD"]
    assert nothing == []
    assert " ".join(word.text for word in last) == "DEAF A BAGGAGE FEE"
    assert all(0.5 < word.probability <= 1 for word in (*first, *second, *last))
    assert recogniser.identity.engine == "transformers"
    assert recogniser.identity.settings == {"precision": "float32"}
    assert recogniser.detect(pieces) is None
    assert recogniser.recognise(pieces[:1], None) == [first]  # beside others as alone


def test_without_a_mask_each_piece_is_heard_by_itself(tmp_path: Path) -> None:
    recogniser = open_recogniser(str(ctc_of_tones(tmp_path / "group", masked=False)))
    pieces = [spell("BAD CAFE"), spell("DEAF A BAGGAGE FEE")]
    together = recogniser.recognise(pieces, None)
    assert together == [recogniser.recognise([piece], None)[0] for piece in pieces]


def test_precisions_are_those_of_torch(tones: Path) -> None:
    half = open_recogniser(str(tones), precision="bfloat16")
    assert [word.text for word in half.recognise([spell("CAFE")], None)[0]] == ["CAFE"]
    assert half.identity.settings == {"precision": "bfloat16"}
    with pytest.raises(RecognitionError, match="`asr_precision=int8`: transformers takes float32"):
        open_recogniser(str(tones), precision="int8")


def test_symbols_of_sentencepiece_begin_words_with_their_mark() -> None:
    from diar.asr.transformers_ctc import Symbols

    symbols = Symbols({1: "▁he", 2: "llo", 3: "▁"}, blank=0, delimiter=None, lower=False)
    heard = np.array([1, 1, 0, 2, 2, 1, 3, 0, 2])
    words = symbols.words(heard, np.linspace(0.1, 0.9, 9), 0.08, 0.7)
    assert [word.text for word in words] == ["hello", "he", "llo"]
    assert (words[0].start, words[0].end) == pytest.approx((0, 0.4))
    assert words[0].probability == pytest.approx((0.1 + 0.2 + 0.4 + 0.5) / 4)
    assert words[2].end == 0.7


def common(own: list[Word], their: list[Word]) -> list[tuple[int, int]]:
    """Where the same words stand in both, in order."""
    blocks = SequenceMatcher(None, [w.text for w in own], [w.text for w in their], autojunk=False)
    return [(b.a + n, b.b + n) for b in blocks.get_matching_blocks() for n in range(b.size)]


@pytest.mark.slow
def test_whisper_hears_the_same_by_transformers_as_by_ctranslate2(
    whisper: Recogniser, conversation: np.ndarray
) -> None:
    pytest.importorskip("faster_whisper")
    pieces = [conversation[: 26 * RATE]]
    ours = whisper.recognise(pieces, "en")
    other = open_recogniser(str(named_weights("whisper-tiny.en")), precision="float32", beam_size=1)
    for own, their in zip(ours, other.recognise(pieces, "en"), strict=True):
        same = [(own[i], their[j]) for i, j in common(own, their)]
        assert len(same) > 0.8 * len(their) > 30
        assert np.median([abs(a.start - b.start) for a, b in same]) <= 0.02
        assert np.median([abs(a.end - b.end) for a, b in same]) <= 0.02
        assert np.mean([a.probability for a in own]) == pytest.approx(
            np.mean([b.probability for b in their]), abs=0.1
        )
        assert all(a.end <= b.start for a, b in pairwise(own))
    assert whisper.detect(pieces) == Language("en")


@pytest.fixture(scope="module")
def random_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual Whisper with random weights and a vocabulary of its own."""
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    folder = tmp_path_factory.mktemp("random")
    tokenizer = json.loads((named_weights("whisper-tiny.en") / "tokenizer.json").read_text())
    special = ("<|startoftranscript|>", "<|de|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>", END)
    first = tokenizer["added_tokens"][0]
    tokenizer["added_tokens"] = [
        {**first, "id": 50257 + n, "content": name} for n, name in enumerate(special)
    ]
    write_tokenizer(folder, json.dumps(tokenizer))
    import torch

    torch.manual_seed(1)
    sizes = {f"{part}_{size}": 2 for part in ("encoder", "decoder") for size in ("layers", "attention_heads")}
    ends = {"pad_token_id": 50262, "eos_token_id": 50262, "bos_token_id": 50262}
    numbers = {**ends, "decoder_start_token_id": 50257}
    widths = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    config = WhisperConfig(vocab_size=50263, **widths, **sizes, **numbers)
    network = WhisperForConditionalGeneration(config)
    network.generation_config = GenerationConfig(
        is_multilingual=True, lang_to_id={"<|de|>": 50258, "<|en|>": 50259}, task_to_id={"transcribe": 50260},
        no_timestamps_token_id=50261, max_length=24, return_timestamps=False, **numbers,
    )  # fmt: skip
    network.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder


def test_a_multilingual_whisper_tells_the_language_and_takes_one(random_whisper: Path) -> None:
    recogniser = open_recogniser(str(random_whisper), beam_size=2)
    rng = np.random.default_rng(0)
    pieces = [rng.standard_normal(n).astype(np.float32) for n in (RATE, 3 * RATE)]
    found = recogniser.detect(pieces)
    assert found is not None and found.code in ("de", "en") and found.probability >= 0.5
    words = recogniser.recognise(pieces, None)
    assert words == recogniser.recognise(pieces, found.code)
    for own, piece in zip(words, pieces, strict=True):
        assert own
        assert all(0 <= word.start <= word.end <= len(piece) / RATE for word in own)
        assert all(word.text == word.text.strip() != "" for word in own)


def test_the_path_through_attention_is_monotonic_and_cheapest() -> None:
    costs = np.ones((3, 9))
    costs[0, :2] = costs[1, 2:6] = costs[2, 6:] = 0
    assert monotonic_path(costs).tolist() == [0, 2, 6]
    assert monotonic_path(np.zeros((4, 1))).tolist() == [0, 0, 0, 0]


def test_what_cannot_be_opened_is_said(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecognitionError, match=r"neither model\.bin.*nor config\.json"):
        open_recogniser(str(tmp_path))
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    with pytest.raises(RecognitionError, match="holds BertModel; Whisper and models with a CTC head"):
        open_recogniser(str(tmp_path))
    (tmp_path / "config.json").write_text('{"architectures": ["WhisperForConditionalGeneration"]}')
    with pytest.raises(RecognitionError, match="cannot be opened as a model of transformers"):
        open_recogniser(str(tmp_path))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RecognitionError) as told:
        open_recogniser(str(tones))
    assert install_line("transformers") in str(told.value)
