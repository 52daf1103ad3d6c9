"""Write golden.npz: what WeSpeaker's own code gives for tiny networks, weights filled by name.

Run from the repository's root, where that code is there (`oracle.py` tells how):

    DIAR_WESPEAKER=/path/to/wespeaker python -m tests.models.encoders.w2vbert.make_golden
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.models.cases import signature
from tests.models.encoders.w2vbert import cases, oracle
from tests.models.segmentation.wavlm.cases import waveforms

FILE = Path(__file__).with_name("golden.npz")
LENGTHS = ((1, 0.13), (2, 0.777), (3, 1.6), (1, 3.015))  # batch and seconds: 11, 76, 158 and 300 frames
ODD = ((1, 0.035), (1, 2.005))  # 2 and 199 frames
FEATURES = 7  # one of so many frames is kept: the file stays small


def main() -> None:
    arrays = {}
    with TemporaryDirectory() as place:
        for case, (_, sizes, _) in cases.CASES.items():
            folder = Path(place, case)
            parameters = cases.write(folder, case)
            oracle.write_pretrained(folder / "pretrained", {**cases.SIZES, **sizes})
            network = oracle.network(cases.config_of(case), folder / "pretrained")
            arrays[f"{case}/signature"] = np.array(signature(network))
            network.load_state_dict(parameters)
            for batch, seconds in (*LENGTHS, *ODD):
                found = oracle.embeddings(network, waveforms(batch, seconds))
                arrays[f"{case}/{batch}x{seconds}"] = found.numpy()
        for batch, seconds in (*LENGTHS, *ODD):
            found = oracle.features(network, waveforms(batch, seconds))
            arrays[f"features/{batch}x{seconds}"] = found.numpy()[:, ::FEATURES]
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
