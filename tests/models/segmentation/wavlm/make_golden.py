"""Write golden.npz: what DiariZen's and SUPlime's own code gives for tiny networks, weights filled by name.

Run from the repository's root, where both are there (`oracles.py` tells how):

    DIAR_DIARIZEN=/path/to/DiariZen python -m tests.models.segmentation.wavlm.make_golden
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.models.segmentation.wavlm import cases, oracles

FILE = Path(__file__).with_name("golden.npz")
LENGTHS = {1: 0.13, 2: 0.777, 3: 1.6}  # batch → seconds
FRAMES = 2  # every other frame of the answers is kept: the file stays small


def main() -> None:
    arrays = {}
    with TemporaryDirectory() as folder:
        for case, sizes in cases.DIARIZEN_CASES.items():
            network = oracles.diarizen_network(sizes, cases.ARGUMENTS)
            network.load_state_dict(cases.write_diarizen(Path(folder, case), case))
            arrays |= answers(case, network)
        for case, hyper_parameters in cases.SUPLIME_CASES.items():
            network = oracles.suplime_network(hyper_parameters, 4.0)
            network.load_state_dict(cases.write_suplime(Path(folder, case), case))
            arrays |= answers(case, network)
    np.savez_compressed(FILE, **arrays)


def answers(case: str, network: oracles.nn.Module) -> dict[str, np.ndarray]:
    """Its log-probabilities; seg_windows one by one, since SUPlime-L normalises over a whole batch."""
    return {
        f"{case}/{batch}": oracles.answer(network, cases.waveforms(batch, seconds), one_by_one=True)
        .numpy()[:, ::FRAMES]
        .astype(np.float32)
        for batch, seconds in LENGTHS.items()
    }


if __name__ == "__main__":
    main()
