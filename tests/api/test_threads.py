"""Several threads at once, and scripts without the guard that starting processes would need."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import diar
from tests.commands import RATE, clean_environment


def test_threads_share_the_networks(waveform: np.ndarray) -> None:
    """Each result is that of its own audio, whatever the others do meanwhile."""
    pieces = [waveform[start * RATE :][: 3 * RATE] for start in (0, 4, 7, 10)]

    def embed(piece: np.ndarray) -> diar.Voice:
        return diar.embed(piece, sample_rate=RATE)

    alone = [embed(piece) for piece in pieces]
    flags = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.get_num_threads())
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(embed, [*pieces, *pieces]))
    for one, other in zip(together, [*alone, *alone], strict=True):
        assert (one.vector == other.vector).all()
        assert (one.tracks.embedding == other.tracks.embedding).all()
    after = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.get_num_threads())
    assert after == flags


def test_a_script_needs_no_guard_and_nothing_is_printed(talk: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, os, threading\n"
        "import diar.embedding.chunks\n"  # the package must not take the place of the function
        "from diar.embedding import pipeline\n"
        "import diar\n"
        "assert callable(diar.embed) and pipeline.__name__ == 'diar.embedding.pipeline'\n"
        "before = dict(os.environ)\n"
        "results = []\n"
        f"call = lambda: results.append(diar.diarize({str(talk)!r}).to_rttm())\n"
        "threads = [threading.Thread(target=call) for _ in range(2)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "assert results[0] == results[1] != '', results\n"
        "assert not multiprocessing.active_children()\n"
        "assert dict(os.environ) == before\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=clean_environment(), capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.gpu
def test_a_gpu_gives_the_same_voice(talk: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    on_cpu = diar.embed(talk, encoder=diar.open_encoder(device="cpu", precision="fp32"))
    encoder = diar.open_encoder(device="cuda:0")
    with ThreadPoolExecutor(2) as pool:
        for voice in pool.map(lambda path: diar.embed(path, encoder=encoder), [talk, talk]):
            assert encoder.device == "cuda:0"
            assert voice.vector @ on_cpu.vector > 0.999
            assert abs(voice.speech_seconds - on_cpu.speech_seconds) < 0.1
