"""Networks on WavLM beside the code that they come from: Markdown tables of agreement and speed.

    DIAR_DIARIZEN=/path/to/DiariZen python benchmarks/wavlm_segmentation.py --parity
    DIAR_DIARIZEN=/path/to/DiariZen python benchmarks/wavlm_segmentation.py [--networks NAME,…] [--rounds 5]

With --parity: the tiny networks of the tests, all of whose layers differ in size, at several lengths and
batches; the largest difference of log-probabilities.

NAME is one of DiariZen's (`wavlm_base`, `wavlm_large`, `wavlm_base_s80_md`, `wavlm_large_s80_md`) or
`suplime`, `suplime-large`. Weights are random, the same for both. Rounds alternate: ours, theirs. Theirs is
left out where its code is not there (`tests/models/segmentation/wavlm/oracles.py` tells what is needed).

All is computed by one thread, as each worker of stage 1 does, and CPU seconds are counted, which a busy
machine changes least; the lowest of the rounds counts. `cpu`: of one seg_window. `audio on 2 cores`: × real
time of audio in chunks of 30 s, with seg_windows at the network's own step, by two workers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from diar.embedding.speech.seg_windows import window_frames
from diar.models.open import open_segmentation
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.wavlm.described import NAMED, torchaudio_sizes
from diar.models.segmentation.wavlm.names import DIARIZEN, Rules, from_checkpoint, suplime_rules
from diar.models.segmentation.wavlm.network import WavLMConformer
from diar.models.segmentation.wavlm.settings import ConformerSettings, WavLMConformerSettings
from tests.models.segmentation.wavlm import cases, oracles, test_parity

RATE = 16_000  # Hz
CHUNK, SEEN = 30.0, 32.0  # seconds of a chunk, and with what is around it
NETWORKS = (
    "wavlm_base_s80_md",
    "wavlm_large_s80_md",
    "wavlm_base",
    "wavlm_large",
    "suplime",
    "suplime-large",
)
SHARED = {"extractor_conv_bias": False, "encoder_pos_conv_kernel": 128, "encoder_pos_conv_groups": 16}
SHARED |= {"encoder_num_buckets": 320, "encoder_max_distance": 800, "encoder_layer_drop": 0.0}
SHARED |= {"encoder_projection_dropout": 0.1, "encoder_attention_dropout": 0.1, "encoder_dropout": 0.1}
SHARED |= {"encoder_ff_interm_dropout": 0.0, "aux_num_out": None}
SHARED |= {"extractor_conv_layer_config": [(512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2]}


class Case(NamedTuple):
    """A network of ours, and how to make theirs."""

    settings: WavLMConformerSettings
    rules: Rules
    missing: str | None  # why theirs cannot be made here
    make: Callable[[], torch.nn.Module]


def main(arguments: list[str] | None = None) -> None:
    """Print the table line by line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parity", action="store_true")
    options = parser.parse_args(arguments)
    if options.parity:
        print_parity()
        return
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, fp32\n")
    print("| network | parameters, M | largest difference | hears, s | cpu | their cpu | audio on 2 cores |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.networks.split(","):
        print(row(name, options.rounds), flush=True)


def print_parity() -> None:
    """Print how far the tiny networks are from theirs."""
    lengths = test_parity.LENGTHS | test_parity.LONGER
    shown = ", ".join(f"{batch} × {seconds:g} s" for batch, seconds in lengths.items())
    print(
        f"| network | {shown}: largest difference | of log-probabilities, standard deviation |\n|---|---|---|"
    )
    made = {
        **{
            name: lambda n=name: oracles.diarizen_network(cases.DIARIZEN_CASES[n], cases.ARGUMENTS)
            for name in cases.DIARIZEN_CASES
            if not oracles.diarizen_missing()
        },
        **{
            name: lambda n=name: oracles.suplime_network(cases.SUPLIME_CASES[n], 4.0)
            for name in cases.SUPLIME_CASES
            if not oracles.suplime_missing()
        },
    }
    for name, make in made.items():
        theirs, worst, spread = make(), 0.0, 0.0
        with tempfile.TemporaryDirectory() as folder:
            theirs.load_state_dict(test_parity.write(name, Path(folder)))
            ours = open_segmentation(folder).network
        for batch, seconds in lengths.items():
            waveform = cases.waveforms(batch, seconds)
            expected = oracles.answer(theirs, waveform, one_by_one=name in cases.SUPLIME_CASES)
            with torch.inference_mode():
                worst = max(worst, float((ours(waveform) - expected).abs().max()))
            spread = max(spread, float(expected.std(dim=1).mean()))
        print(f"| {name} | {worst:.1e} | {spread:.2f} |", flush=True)


def case_of(name: str) -> Case:
    """The network that a name stands for."""
    if name.startswith("suplime"):
        return suplime_case(large=name.endswith("large"))
    wavlm = NAMED[name]
    settings = WavLMConformerSettings(
        seg_window_seconds=16.0,
        wavlm=wavlm,
        conformer=ConformerSettings(256, 4, 1024, 4, 31),
        projected=True,
        softmax=False,
    )
    given = {"wavlm_layer_num": len(wavlm.heads) + 1, "wavlm_feat_dim": wavlm.size, "chunk_size": 16}
    missing = oracles.diarizen_missing()
    return Case(settings, DIARIZEN, missing, lambda: oracles.diarizen_network(name, given))


def suplime_case(large: bool) -> Case:
    """SUPlime on WavLM-Base+ or WavLM-Large."""
    size, layers, heads = (1024, 24, 16) if large else (768, 12, 12)
    config = {**SHARED, "extractor_mode": "layer_norm" if large else "group_norm"}
    config |= {"encoder_layer_norm_first": large, "encoder_embed_dim": size, "encoder_num_layers": layers}
    config |= {"encoder_num_heads": heads, "encoder_ff_interm_features": 4 * size}
    settings = WavLMConformerSettings(
        seg_window_seconds=10.0,
        wavlm=torchaudio_sizes(config, normalized=large),
        conformer=ConformerSettings(size, 4, 256, 4, 31),
        projected=False,
        softmax=True,
        linear=(128, 128),
    )
    rules = suplime_rules("wav2vec.model." if large else "wav2vec.")
    given = {"wav2vec": config, "normalize_waveform": large}
    return Case(settings, rules, oracles.suplime_missing(), lambda: oracles.suplime_network(given, 10.0))


def row(name: str, rounds: int) -> str:
    """One line of the table."""
    case = case_of(name)
    torch.manual_seed(0)
    ours = WavLMConformer(case.settings).eval().requires_grad_(False)
    theirs = None if case.missing else case.make()
    if theirs is not None:
        own = ours.state_dict()
        ours.load_state_dict(from_checkpoint(theirs.state_dict(), own, case.rules))
    seconds = case.settings.seg_window_seconds
    waveform = 0.1 * torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(1))
    difference, best, other = "", 9e9, 9e9
    with torch.inference_mode():
        found = ours(waveform)
        if theirs is not None:
            difference = f"{(found - oracles.answer(theirs, waveform)).abs().max():.1e}"
        for _ in range(rounds):
            best = min(best, cpu_seconds(lambda: ours(waveform)))
            if theirs is not None:
                other = min(other, cpu_seconds(lambda: oracles.answer(theirs, waveform)))
    model = SegmentationModel(name, ours, case.settings, "")
    spent = windows_of_a_chunk(model) * best  # on a chunk
    million = sum(parameter.numel() for parameter in ours.parameters()) / 1e6
    cells = [name, f"{million:.1f}", difference, f"{seconds:g}", f"{best:.2f}"]
    cells += ["" if theirs is None else f"{other:.2f}", f"{2 * CHUNK / spent:.1f}"]
    return f"| {' | '.join(cells)} |"


def windows_of_a_chunk(model: SegmentationModel) -> int:
    """How many seg_windows a chunk has."""
    samples, window, step = (round(x * RATE) for x in (SEEN, model.settings.seg_window_seconds, model.step))
    return len(window_frames(samples, window, step, model.network.frames.step))


def cpu_seconds(compute: Callable[[], object]) -> float:
    """CPU seconds that it takes."""
    begun = time.process_time()
    compute()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
