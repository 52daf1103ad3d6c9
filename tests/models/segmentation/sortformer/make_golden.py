"""Write golden.npz: what transformers gives for tiny Sortformers whose weights are filled by name.

Run from the repository's root, where transformers has Nemotron 3 Diarization:

    python -m tests.models.segmentation.sortformer.make_golden
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.models.segmentation.sortformer import cases, oracles

FILE = Path(__file__).with_name("golden.npz")
# batch → seconds; 1.28 s are whole frames of the encoder, after which transformers has one without audio
LENGTHS = {1: 0.13, 2: 1.28, 3: 2.005}
FRAMES = 3  # every third frame of the answers is kept, and of the last eight each: the file stays small


def main() -> None:
    arrays = {}
    for case, (config, settings) in cases.CASES.items():
        theirs, front = oracles.network(config), oracles.extractor(settings)
        with TemporaryDirectory() as folder:
            theirs.load_state_dict(cases.write(Path(folder), case))
        for batch, seconds in LENGTHS.items():
            waveform = cases.waveforms(batch, seconds)
            answer = oracles.log_odds(theirs, front, waveform).numpy()
            arrays[f"{case}/{batch}"] = kept(answer)
            if batch == 1:
                arrays[f"{case}/mels"] = oracles.inputs(front, waveform)["input_features"].numpy()
    np.savez_compressed(FILE, **{name: array.astype(np.float32) for name, array in arrays.items()})


def kept(answer: np.ndarray) -> np.ndarray:
    """(batch, frames, speakers) → fewer frames."""
    return np.concatenate([answer[:, ::FRAMES], answer[:, -8:]], axis=1)


if __name__ == "__main__":
    main()
