"""Write encoders.npz: what each encoder gives for filled weights, and the signature of its state dict.

Run from the repository's root, once `tests/models/test_parity.py` has passed with WeSpeaker's embeddings:

    python -m tests.models.golden.make_golden [CASE …]

With cases, only these are computed; the others stay as they are. Architectures that the test does not know
are compared with the public code by `python benchmarks/encoder_parity.py`.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from tests.models.cases import CASES, build, features, signature

FILE = Path(__file__).with_name("encoders.npz")
NUM_FRAMES = 77


def main() -> None:
    chosen = sys.argv[1:] or list(CASES)
    arrays = dict(np.load(FILE)) if sys.argv[1:] else {}
    for case in chosen:
        encoder = build(case)
        with torch.inference_mode():
            arrays[f"{case}/embedding"] = encoder(features(case, 1, NUM_FRAMES))[0].numpy()
        arrays[f"{case}/signature"] = np.array(signature(encoder))
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
