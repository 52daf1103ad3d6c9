"""Write tfmel.npz: features of WeSpeaker's own `tfmel`, and an embedding of its ReDimNet2-B0 behind it.

Run from the repository's root; WESPEAKER is a checkout of github.com/wenet-e2e/wespeaker:

    python -m tests.models.golden.make_tfmel WESPEAKER SHARED

SHARED is the folder of `DIAR_SHARED`. Weights are filled from their names.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.encoder_parity import find_package
from tests.models.cases import fill
from tests.models.tfmel_cases import EMBEDDED, FRONT_ENDS, PUBLIC, RATE, signal, speech

FILE = Path(__file__).with_name("tfmel.npz")


def main() -> None:
    for package in ("wespeaker", "wespeaker.frontend"):
        find_package(package, Path(sys.argv[1]))
    from wespeaker.frontend.tfmel import TFMelFrontend
    from wespeaker.models.redimnet2 import ReDimNet2B0

    arrays = {}
    with torch.inference_mode():
        for case, (rate, arguments) in FRONT_ENDS.items():
            network = TFMelFrontend(**arguments, sample_rate=rate).eval()
            arrays[case] = network(torch.from_numpy(signal())[None])[0][0].T.numpy()
        public = TFMelFrontend(**PUBLIC, sample_rate=RATE).eval()
        arrays["speech"] = public(torch.from_numpy(speech(Path(sys.argv[2])))[None])[0][0].T.numpy()
        encoder = ReDimNet2B0(feat_dim=PUBLIC["n_mels"], embed_dim=192).eval()
        fill(encoder)
        arrays["embedding"] = encoder(public(torch.from_numpy(signal(EMBEDDED))[None])[0])[0].numpy()
        encoder.add_module("frontend", public)
        arrays["names"] = np.array(list(encoder.state_dict()))
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
