"""How many workers, and on which device each; GPUs are counted, not used."""

import pytest
import torch

from diar.models import device as devices
from diar.models.device import DeviceError, count_workers, device_kind, rank_device, ranks_on_device


@pytest.fixture(autouse=True)
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "gpu_memory", lambda gpu: 80 * 10**9)
    monkeypatch.setattr(devices, "physical_memory", lambda: 256 * 2**30)


@pytest.mark.parametrize(
    ("cores", "gigabytes", "expected"), [(64, 80, 6), (16, 80, 2), (4, 80, 1), (64, 24, 4), (64, 8, 1)]
)
def test_as_many_workers_on_a_gpu_as_cores_and_memory_allow(
    cores: int, gigabytes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "cpu_cores", lambda: cores)
    monkeypatch.setattr(devices, "gpu_memory", lambda gpu: gigabytes * 10**9)
    assert count_workers("cuda", None, None) == 4 * expected
    assert count_workers("cuda", (1,), None) == min(6, cores // 2, max(1, gigabytes // 6))
    monkeypatch.setattr(devices, "physical_memory", lambda: 2**30)
    assert count_workers("cuda", None, None) == 4


def test_as_many_workers_as_are_told() -> None:
    assert count_workers("cuda", None, 3) == 3
    assert count_workers("cuda", None, 8) == 8
    assert count_workers("cpu", None, 5) == 5


@pytest.mark.parametrize(
    ("gpus", "expected"), [(None, [0, 1, 2, 3, 0, 1]), ((3, 1), [3, 1, 3, 1, 3, 1]), ((2,), [2] * 6)]
)
def test_more_workers_than_gpus_share_them_in_turn(gpus: tuple[int, ...] | None, expected: list[int]) -> None:
    assert [rank_device("cuda", gpus, rank).index for rank in range(6)] == expected
    assert rank_device("cpu", None, 5) == torch.device("cpu")


def test_how_many_ranks_share_a_device() -> None:
    gpu = torch.device("cuda", 0)
    assert [ranks_on_device(gpu, None, rank, 6) for rank in range(6)] == [2, 2, 1, 1, 2, 2]
    assert [ranks_on_device(gpu, (3,), rank, 2) for rank in range(2)] == [2, 2]
    assert ranks_on_device(torch.device("cpu"), None, 0, 6) == 1


def test_a_gpu_that_is_not_there_is_refused() -> None:
    assert device_kind("auto", (0, 3)) == "cuda"
    with pytest.raises(DeviceError, match="names GPU 4, but this machine has 4"):
        device_kind("cuda", (0, 4))


def test_on_the_cpu_there_is_a_worker_a_core_that_has_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cpu_cores", lambda: 16)
    monkeypatch.setattr(devices, "physical_memory", lambda: 64 * 2**30)
    assert devices.count_workers("cpu", None, None) == 16
    monkeypatch.setattr(devices, "physical_memory", lambda: 9 * 2**30)
    assert devices.count_workers("cpu", None, None) == 4
    assert devices.count_workers("cpu", None, None, weights_bytes=2**29) == 4
    assert devices.count_workers("cpu", None, None, weights_bytes=2**31) == 1, "two copies of 1.5 GB more"
    monkeypatch.setattr(devices, "physical_memory", lambda: 2**30)
    assert devices.count_workers("cpu", None, None) == 1
    assert devices.count_workers("cpu", None, 7) == 7
