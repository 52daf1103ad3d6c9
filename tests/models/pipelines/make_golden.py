"""Write golden.npz: what pyannote.audio computes, step by step, with made-up weights on made-up voices.

Run from the repository's root, with pyannote.audio 4 installed (on the CPU, it takes a minute or two):

    python -m tests.models.pipelines.make_golden
"""

import tempfile
from pathlib import Path

import numpy as np

from tests.models.pipelines.golden import BIAS, FILE, SECONDS, audio
from tests.models.pipelines.oracle import centring_bias, run_pyannote
from tests.models.pipelines.pipeline_folder import write_folder


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        plain = run_pyannote(write_folder(Path(temporary, "plain")), audio())
        bias = centring_bias(plain)
        steps = run_pyannote(write_folder(Path(temporary, "centred"), bias=bias), audio())
    arrays = {name: _stored(array) for name, array in steps._asdict().items()}
    np.savez_compressed(FILE, **arrays, **{BIAS: bias, "frames": steps.decided.shape[1]})
    speakers = len(np.unique(steps.turns[:, 2]))
    told = f"{len(steps.initial)} embeddings in {steps.initial.max() + 1} clusters before VBx"
    print(
        f"{SECONDS:g} s: {told}, {len(steps.centroids)} after; {len(steps.turns)} turns, {speakers} speakers"
    )


def _stored(array: np.ndarray) -> np.ndarray:
    return np.packbits(array, axis=1) if array.dtype == bool else array


if __name__ == "__main__":
    main()
