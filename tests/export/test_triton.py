"""A model repository that the real Triton Inference Server accepts and serves in batches.

Without nvidia-pytriton, which brings `tritonserver`, the test of the server is skipped.
"""

import http.server
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.export.backend import open_trunk
from diar.export.errors import ExportError
from diar.export.triton_client import TritonNetwork
from diar.models.features import cmn
from diar.models.open import open_encoder
from tests.commands import RATE

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
CLIENTS = 64


@pytest.fixture(scope="module")
def repository(small_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton")
    arguments = ["export", "--format", "triton", "--model", f"{small_model_dir},segmentation-3.0"]
    common = ["--triton_backend", "python", "--queue_delay_ms", "200", "--output_dir", str(folder)]
    assert main([*arguments, *common]) == EXIT_OK
    trunk = ["export", "--format", "triton", "--model", str(small_model_dir), "--part", "trunk"]
    assert main([*trunk, *common]) == EXIT_OK
    return folder


def test_the_repository_has_both_networks_and_an_ensemble(
    repository: Path, small_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {str(file.relative_to(repository)) for file in repository.rglob("*") if file.is_file()}
    networks = ("speaker_embedding", "speaker_segmentation", "speaker_trunk")
    assert files == {
        *(f"{name}/{file}" for name in networks for file in ("config.pbtxt", "1/model.onnx", "1/model.py")),
        "speakers/config.pbtxt",
    }
    config = (repository / "speaker_embedding/config.pbtxt").read_text()
    assert "max_queue_delay_microseconds: 200000" in config and "dims: [-1, -1]" in config
    assert f'key: "sha256" value: {{ string_value: "{open_encoder(str(small_model_dir)).sha256}"' in config
    both = f"{small_model_dir},{small_model_dir}"
    arguments = ["export", "--format", "triton", "--overwrite", "--output_dir", str(repository)]
    assert main([*arguments, "--model", both]) == EXIT_ERROR
    assert "two networks" in capsys.readouterr().err


def server_home() -> Path:
    """The folder of tritonserver in nvidia-pytriton; $TRITON_HOME names one of another environment."""
    found = importlib.util.find_spec("pytriton")
    if "TRITON_HOME" in os.environ:
        return Path(os.environ["TRITON_HOME"])
    if found is None or found.origin is None:
        pytest.skip("nvidia-pytriton, which brings tritonserver, is not installed")
    return Path(found.origin).parent / "tritonserver"


def backends_of(home: Path, folder: Path) -> Path:
    """A copy of the server's backends with the program that runs this version of Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(home / "backends", folder)
    shutil.copy(home / "python_backend_stubs" / version / "triton_python_backend_stub", folder / "python")
    return folder


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = server_home()
    backends = backends_of(home, tmp_path_factory.mktemp("server") / "backends")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(home.parent.parent / "nvidia_pytriton.libs"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place.endswith("site-packages")),
    }
    command = [str(home / "bin/tritonserver"), f"--model-repository={repository}", f"--http-port={port}"]
    command += [f"--backend-directory={backends}", "--http-address=127.0.0.1", "--allow-grpc=false"]
    command += ["--allow-metrics=false", "--strict-readiness=true", "--exit-timeout-secs=5"]
    log = repository.parent / "triton.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def wait_until_ready(process: subprocess.Popen, address: str, log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, errors_in(log)
        try:
            urllib.request.urlopen(f"{address}/v2/health/ready", timeout=2).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"not ready: {errors_in(log)}")


def errors_in(log: Path) -> str:
    return "\n".join(line for line in log.read_text().splitlines() if "rror" in line)


def ask(address: str, waveform: np.ndarray, masks: np.ndarray) -> dict[str, np.ndarray]:
    inputs = [
        {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
        for name, array in (("waveform", waveform), ("masks", masks))
    ]
    body = json.dumps({"inputs": inputs}).encode()
    try:
        with urllib.request.urlopen(f"{address}/v2/models/speakers/infer", body, timeout=120) as answer:
            found = json.load(answer)["outputs"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error
    return {one["name"]: np.array(one["data"], np.float32).reshape(one["shape"]) for one in found}


@pytest.mark.slow
def test_a_real_server_answers_many_clients_in_batches(
    server: str, repository: Path, conversation: np.ndarray
) -> None:
    starts = [n * RATE for n in range(CLIENTS)]
    waveforms = [conversation[None, start : start + RATE + 200] for start in starts]
    masks = np.ones((1, 2, 99), np.float32)
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(lambda waveform: ask(server, waveform, masks), waveforms))
    session = onnxruntime.InferenceSession(str(repository / "speaker_embedding/1/model.onnx"))
    for waveform, answer in zip(waveforms, answers, strict=True):
        (expected,) = session.run(None, {"waveform": waveform, "masks": masks})
        assert np.abs(answer["embeddings"] - expected).max() < 1e-3 * np.abs(expected).max()
        assert answer["log_probs"].shape[1:] == (answer["speakers"].shape[1], 7)
    with urllib.request.urlopen(f"{server}/v2/models/speaker_embedding/stats", timeout=10) as answer:
        (told,) = json.load(answer)["model_stats"]
    assert int(told["inference_count"]) == CLIENTS > int(told["execution_count"])


@pytest.mark.slow
def test_our_own_pipeline_asks_the_server_for_frames(server: str, small_model_dir: Path) -> None:
    model, cpu = open_encoder(str(small_model_dir)), torch.device("cpu")
    trunk = open_trunk(model, cpu, backend=server, provider="cpu", threads=1)
    fbank = torch.randn(19, 198, 16, generator=torch.Generator().manual_seed(0))  # more than a batch of it
    with torch.inference_mode():
        expected = model.encoder.frames(cmn(fbank))
    assert (trunk(cmn(fbank)) - expected).abs().max() < 1e-4 * expected.abs().max()
    assert trunk.engine == f"Triton at {server}"
    with pytest.raises(ExportError, match=r"of the weights .*give it a new repository"):
        open_trunk(replace(model, sha256="0" * 64), cpu, backend=server, provider="cpu", threads=1)
    with pytest.raises(ExportError, match=r"Triton answers 404 to .*no_such_model"):
        TritonNetwork(server, "no_such_model", model.sha256)


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ExportError, match=f"`backend={address}`: Triton cannot be reached"):
            TritonNetwork(address, "speaker_trunk", "0" * 64)


def test_what_is_no_triton_server_is_told() -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b"[]" if "other" in self.path else b"<html>Welcome</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{listening.server_address[1]}"
        for model, said in (("speaker_trunk", "<html>Welcome</html>"), ("other", r"\[\]")):
            with pytest.raises(ExportError, match=f"what answers there is no Triton server.*: {said}"):
                TritonNetwork(address, model, "0" * 64)
        listening.shutdown()


def test_the_scripts_of_the_server_need_nothing_of_ours(repository: Path) -> None:
    script = (repository / "speaker_embedding/1/model.py").read_text()
    assert not re.search(r"^\s*(import|from) (diar|torch)", script, re.MULTILINE)
