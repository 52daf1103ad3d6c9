"""Audio for both stages with other segmentation networks."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.commands import RATE


@pytest.fixture(scope="module")
def audio(conversation: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    sf.write(folder / "long.wav", conversation[: 35 * RATE], RATE, subtype="PCM_16")  # two chunks
    sf.write(folder / "short.wav", conversation[RATE : 2 * RATE], RATE, subtype="PCM_16")
    return folder
