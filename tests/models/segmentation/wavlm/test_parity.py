"""Networks on WavLM against DiariZen's and SUPlime's own code: its answers, kept, and itself where it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diar.models.open import open_segmentation
from tests.models.segmentation.wavlm import cases, oracles
from tests.models.segmentation.wavlm.make_golden import FILE, FRAMES, LENGTHS

TOLERANCE = 1e-4  # of log-probabilities
LONGER = {1: 9.3, 2: 4.0, 5: 0.1}  # batch → seconds, beside those of the golden arrays


def write(case: str, folder: Path) -> dict[str, torch.Tensor]:
    write_one = cases.write_diarizen if case in cases.DIARIZEN_CASES else cases.write_suplime
    return write_one(folder, case)


@pytest.mark.parametrize("case", [*cases.DIARIZEN_CASES, *cases.SUPLIME_CASES])
def test_answers_are_those_of_the_published_code(case: str, tmp_path: Path) -> None:
    write(case, tmp_path)
    model = open_segmentation(str(tmp_path))
    with np.load(FILE) as golden:
        for batch, seconds in LENGTHS.items():
            expected = golden[f"{case}/{batch}"]
            with torch.inference_mode():
                found = model.network(cases.waveforms(batch, seconds)).numpy()[:, ::FRAMES]
            assert found.shape == expected.shape
            assert expected.std(axis=1).min() > 0.01, "an answer that says something"
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.skipif(oracles.diarizen_missing() is not None, reason=str(oracles.diarizen_missing()))
@pytest.mark.parametrize("case", cases.DIARIZEN_CASES)
def test_diarizen_itself_gives_the_same(case: str, tmp_path: Path) -> None:
    theirs = oracles.diarizen_network(cases.DIARIZEN_CASES[case], cases.ARGUMENTS)
    compare(theirs, case, tmp_path, one_by_one=False)


@pytest.mark.skipif(oracles.suplime_missing() is not None, reason=str(oracles.suplime_missing()))
@pytest.mark.parametrize("case", cases.SUPLIME_CASES)
def test_suplime_itself_gives_the_same(case: str, tmp_path: Path) -> None:
    """One seg_window at a time: SUPlime-L normalises a waveform over its whole batch."""
    theirs = oracles.suplime_network(cases.SUPLIME_CASES[case], 4.0)
    compare(theirs, case, tmp_path, one_by_one=True)


def compare(theirs: torch.nn.Module, case: str, folder: Path, one_by_one: bool) -> None:
    theirs.load_state_dict(write(case, folder))  # strictly: their names and shapes
    ours = open_segmentation(str(folder)).network
    for batch, seconds in (LENGTHS | LONGER).items():
        waveform = cases.waveforms(batch, seconds)
        expected = oracles.answer(theirs, waveform, one_by_one)
        with torch.inference_mode():
            torch.testing.assert_close(ours(waveform), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("case", ["diarizen-large", "suplime-large", "suplime-base"])
def test_others_in_a_batch_change_nothing(case: str, tmp_path: Path) -> None:
    write(case, tmp_path)
    network = open_segmentation(str(tmp_path)).network
    waveform = cases.waveforms(3, 2.0) * torch.tensor([[1.0], [0.01], [3.0]])
    with torch.inference_mode():
        together = network(waveform)
        alone = torch.cat([network(one) for one in waveform.split(1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=TOLERANCE)
