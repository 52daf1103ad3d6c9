"""Checkpoints for transformers, made here: the real Whisper tiny.en, and a CTC network of known output."""

import json
import struct
from pathlib import Path

import numpy as np
import torch

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
END = "<|endoftext|>"
LETTERS = "ABCDEFGH"
FRAME = 320  # samples of a CTC frame
RATE = 16_000


def whisper_from_ctranslate2(source: Path, target: Path) -> Path:
    """Write the tensors of a CTranslate2 Whisper as transformers names them; return the folder."""
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    tensors, told = _read(source / "model.bin"), json.loads((source / "config.json").read_text())
    width, layers = tensors["encoder/layer_norm/gamma"].shape[0], _count(tensors, "encoder")
    vocabulary = tensors["decoder/embeddings/weight"].shape[0]
    config = WhisperConfig(
        vocab_size=vocabulary,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=_count(tensors, "decoder"),
        encoder_attention_heads=width // 64,
        decoder_attention_heads=width // 64,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        pad_token_id=50256,
        bos_token_id=50257,
        eos_token_id=50256,
        decoder_start_token_id=50257,
        begin_suppress_tokens=told["suppress_ids_begin"],
        suppress_tokens=told["suppress_ids"],
    )
    network = WhisperForConditionalGeneration(config)
    network.load_state_dict({name: torch.from_numpy(t) for name, t in _renamed(tensors)}, strict=False)
    network.generation_config = GenerationConfig(
        alignment_heads=told["alignment_heads"],
        is_multilingual=False,
        begin_suppress_tokens=told["suppress_ids_begin"],
        suppress_tokens=told["suppress_ids"],
        no_timestamps_token_id=50362,
        decoder_start_token_id=50257,
        pad_token_id=50256,
        bos_token_id=50257,
        eos_token_id=50256,
        max_length=448,
        max_initial_timestamp_index=50,
        return_timestamps=False,
    )
    network.half().save_pretrained(target)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(target)
    write_tokenizer(target, (source / "tokenizer.json").read_text())
    return target


def write_tokenizer(folder: Path, tokenizer: str) -> None:
    """Write a tokenizer of Whisper, and which of its tokens are special."""
    special = {f"{name}_token": END for name in ("eos", "bos", "unk", "pad")}
    (folder / "tokenizer.json").write_text(tokenizer)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "WhisperTokenizer", **special})
    )


def _read(file: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a CTranslate2 model."""
    content, at = file.read_bytes(), 0

    def take(form: str) -> tuple:
        nonlocal at
        found = struct.unpack_from("=" + form, content, at)
        at += struct.calcsize("=" + form)
        return found

    def text() -> str:
        (length,) = take("H")
        return take(f"{length}s")[0][:-1].decode()

    take("I"), text(), take("I")
    tensors: dict[str, np.ndarray] = {}
    for _ in range(take("I")[0]):
        name = text()
        shape = take("I" * take("B")[0])
        kind, size = take("BI")
        tensors[name] = np.frombuffer(
            content, _TYPES[kind], size // np.dtype(_TYPES[kind]).itemsize, at
        ).reshape(shape)
        at += size
    for _ in range(take("I")[0]):
        alias = text()
        tensors[alias] = tensors[text()]
    return tensors


def _count(tensors: dict[str, np.ndarray], part: str) -> int:
    return len(
        {
            name.split("/")[1]
            for name in tensors
            if name.startswith(f"{part}/layer_") and "norm" not in name.split("/")[1]
        }
    )


def _renamed(tensors: dict[str, np.ndarray]):
    """Yield each tensor in fp32 by its name in transformers; fused projections are taken apart."""
    for name, tensor in tensors.items():
        value = np.array(tensor, np.float32)
        for new, part in _names(name, value):
            yield new, part
            if new == "model.decoder.embed_tokens.weight":
                yield "proj_out.weight", part


def _names(name: str, value: np.ndarray):
    kind = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}.get(name.split("/")[-1])
    steps = name.split("/")[:-1]
    if name.endswith("position_encodings/encodings"):
        yield f"model.{steps[0]}.embed_positions.weight", value
        return
    if kind is None or name.startswith("decoder/projection"):
        return
    head = f"model.{steps[0]}"
    if not steps[1].startswith("layer_") or steps[1] == "layer_norm":
        inner = {"embeddings": "embed_tokens", "embeddings_0": "embed_tokens"}.get(steps[1], steps[1])
        yield f"{head}.{inner}.{kind}", value
        return
    head += f".layers.{steps[1].removeprefix('layer_')}"
    group, last = steps[2], steps[-1]
    attention = {"self_attention": "self_attn", "attention": "encoder_attn"}.get(group)
    if last == "layer_norm":
        norm = "final_layer_norm" if attention is None else f"{attention}_layer_norm"
        yield f"{head}.{norm}.{kind}", value
    elif group == "ffn":
        yield f"{head}.{'fc1' if last == 'linear_0' else 'fc2'}.{kind}", value
    elif attention is not None:
        fused = {
            ("self_attn", "linear_0"): ("q_proj", "k_proj", "v_proj"),
            ("encoder_attn", "linear_0"): ("q_proj",),
            ("encoder_attn", "linear_1"): ("k_proj", "v_proj"),
        }.get((attention, last), ("out_proj",))
        for projection, part in zip(fused, np.split(value, len(fused)), strict=True):
            if not (projection == "k_proj" and kind == "bias"):
                yield f"{head}.{attention}.{projection}.{kind}", part


def ctc_of_tones(target: Path, masked: bool = True) -> Path:
    """Write a wav2vec 2.0 that spells tones: 50 Hz × (1 + n) is letter n, the next one up a blank.

    Its one convolution is a filter for each tone; all that follows passes the strongest on.
    """
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    names = ["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS]
    target.mkdir(parents=True, exist_ok=True)
    (target / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}))
    width = 16
    config = Wav2Vec2Config(
        vocab_size=len(names),
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=width,
        conv_dim=(width,),
        conv_kernel=(FRAME,),
        conv_stride=(FRAME,),
        conv_bias=True,
        feat_extract_norm="layer" if masked else "group",
        num_conv_pos_embeddings=2,
        num_conv_pos_embedding_groups=1,
        pad_token_id=0,
    )
    network = Wav2Vec2ForCTC(config)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            is_norm = "norm" in name and name.endswith("weight")
            tensor.fill_(1.0 if is_norm or name.endswith("original1") else 0.0)
        parts = network.wav2vec2
        filters = parts.feature_extractor.conv_layers[0].conv
        for number in range(len(LETTERS) + 1):
            filters.weight[5 + number, 0] = torch.from_numpy(tone(number, 1))
        filters.bias[0] = 1.0  # silence
        parts.feature_projection.projection.weight.copy_(torch.eye(width))
        network.lm_head.weight[0, 0] = network.lm_head.weight[4, 5 + len(LETTERS)] = 10.0
        for number in range(len(LETTERS)):
            network.lm_head.weight[5 + number, 5 + number] = 10.0
    network.save_pretrained(target)
    tokenizer = Wav2Vec2CTCTokenizer(str(target / "vocab.json"))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=masked)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(target)
    return target


def tone(number: int, frames: int) -> np.ndarray:
    """Return (n,) float32 of one tone, which fits into a frame a whole number of times."""
    times = np.arange(frames * FRAME) / RATE
    return np.cos(2 * np.pi * 50 * (1 + number) * times).astype(np.float32)


def spell(text: str, frames: int = 3) -> np.ndarray:
    """Return (n,) float32: each letter is `frames` frames of its tone and one of silence."""
    silence = np.zeros(FRAME, np.float32)
    parts = [tone(len(LETTERS) if c == " " else LETTERS.index(c), frames) for c in text]
    return np.concatenate([sound for part in parts for sound in (part, silence)])
