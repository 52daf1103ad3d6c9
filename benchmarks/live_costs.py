"""What a live stream computes: CPU milliseconds of one core for each hop, part by part; one Markdown table.

    python benchmarks/live_costs.py FILE.wav [FILE.wav …] [--hop 0.5] [--seconds 120] [--start 0]

Each file is fed to one stream in blocks of 0.1 s. Parts are nested: a part's own time is without those
below it. Run with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import soundfile as sf

from diar.online.correction import Corrections
from diar.online.hearing.front import Front
from diar.online.hearing.hops import Hops
from diar.online.models import LiveModels
from diar.online.progress import Progress
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.stream import Stream


class Costs:
    """CPU seconds and calls of each part.

    Attributes:
        own: seconds of a part, without those of parts that it calls.
        calls: of a part.
    """

    def __init__(self) -> None:
        self.own: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inner = [0.0]

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, counted as `part`."""

        def counted(*given: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            began = time.process_time()
            try:
                return call(*given, **named)
            finally:
                spent = time.process_time() - began
                self.own[part] += spent - self._inner.pop()
                self._inner[-1] += spent
                self.calls[part] += 1

        return counted

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count calls of a method of a class or an object."""
        setattr(owner, name, self.timed(part, getattr(owner, name)))


def watch_all(costs: Costs, models: LiveModels) -> None:
    """Count all parts of streams with these models."""
    whole, network = models._embedder.detector, models._hearing.network
    assert whole is not None
    costs.watch(whole.network, "features_of_windows", "chunk: filters")
    costs.watch(whole.network.lstm, "forward", "chunk: LSTM")
    costs.watch(whole.levels, "forward", "chunk: band levels")
    costs.watch(whole, "start_all", "chunk: rest of detection")
    costs.watch(network.lstm, "forward", "hop: LSTM")
    costs.watch(Front, "hear", "hop: filters, features, band levels")
    if whole.second is not None:
        costs.watch(whole.second, "speech_of", "chunk: second opinion")
    costs.watch(models, "_hear", "hop: rest of detection")
    costs.watch(models, "_quick", "voices: trunk")
    costs.watch(models, "_tell", "voices: fbank, pooling")
    costs.watch(models._embedder, "trunk", "chunk: trunk")
    costs.watch(models._embedder, "embed", "chunk: fbank, pooling, rest")
    costs.watch(Corrections, "_recluster", "corrections: clustering")
    costs.watch(Corrections, "apply", "corrections: rest")
    costs.watch(Hops, "follow", "hop: voices followed, told, written")
    costs.watch(Hops, "tell", "hop: voices followed, told, written")
    costs.watch(Hops, "write", "hop: voices followed, told, written")
    costs.watch(Progress, "_update", "hop: turns")
    costs.watch(Progress, "_settle", "hop: turns")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+")
    parser.add_argument("--hop", type=float, default=0.5)
    parser.add_argument("--start", type=float, default=0.0, help="seconds from which parts are counted")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each file")
    given = parser.parse_args(sys.argv[1:])
    models, costs, heard = LiveModels.open(device="cpu"), Costs(), 0.0
    watch_all(costs, models)
    feed = costs.timed("everything else", Stream.feed)
    for file in given.files:
        samples = sf.read(file, dtype="float32")[0][: round(given.seconds * SAMPLE_RATE)]
        stream, block, start = Stream(models, LiveSettings(hop=given.hop)), SAMPLE_RATE // 10, 0
        before = dict(costs.own), dict(costs.calls)
        for at in range(0, len(samples), block):
            if at < given.start * SAMPLE_RATE:
                start = at + block
                Stream.feed(stream, samples[at : at + block])
                costs.own, costs.calls = (
                    defaultdict(kind, old) for kind, old in zip((float, int), before, strict=True)
                )
                continue
            feed(stream, samples[at : at + block])
        heard += (len(samples) - start) / SAMPLE_RATE
    hops = heard / given.hop
    print("| part | ms a hop | calls a hop | ms a call |\n|---|---|---|---|")
    for part, seconds in sorted(costs.own.items(), key=lambda entry: -entry[1]):
        calls = costs.calls[part]
        print(f"| {part} | {1000 * seconds / hops:.2f} | {calls / hops:.3f} | {1000 * seconds / calls:.1f} |")
    print(f"| all | {1000 * sum(costs.own.values()) / hops:.2f} | | |")


if __name__ == "__main__":
    main()
