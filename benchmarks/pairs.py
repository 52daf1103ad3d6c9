"""How similar different people are in each recording, by which the merging threshold is calibrated.

    python benchmarks/pairs.py --embeddings EMBEDDINGS

One line a recording: its band, the number of pairs of local speakers that share a seg_window with a second of
clean speech each, their cosines (16 %, median, 84 %), the cosine assumed for different people, and the
merging threshold.
"""

from __future__ import annotations

import argparse

import numpy as np

from diar.detect.clustering.calibration import calibrated, cosines_of_different, different_cosine
from diar.detect.clustering.iterative import IterativeSettings
from diar.detect.observations import Observations
from diar.records import OK
from diar.store.reader import TracksReader, load_index


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--embeddings", required=True, help="stage 1's output")
    options = parser.parse_args()
    index, reader = load_index(options.embeddings), TracksReader(options.embeddings)
    print("| recording | band | pairs | 16 % | median | 84 % | different people | merging threshold |")
    print("|---|---|---|---|---|---|---|---|")
    for name, shard, status in zip(index.recording_id, index.shard, index.status, strict=True):
        if status == OK:
            observations = Observations.of(reader.read(name, int(shard)))
            print(f"| {name} | " + " | ".join(columns(observations)) + " |")


def columns(observations: Observations) -> list[str]:
    pairs = cosines_of_different(observations.local)
    spread = [f"{value:.2f}" for value in np.quantile(pairs, [0.16, 0.5, 0.84])] if len(pairs) else ["–"] * 3
    different = different_cosine(observations)
    threshold = calibrated(IterativeSettings(), different).threshold
    band = "narrow" if observations.narrow_band else "wide"
    return [band, str(len(pairs)), *spread, f"{different:.2f}", f"{threshold:.2f}"]


if __name__ == "__main__":
    main()
