"""What `stream_faults.py` sends: references, copies, poison, a message of 9 MB, live streams."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
from confluent_kafka import Producer
from kafka_brokers import send_all

from diar.connectors.kafka.errors import StreamError
from diar.connectors.kafka.messages.outgoing import Outgoing, audio_headers
from diar.connectors.kafka.messages.schemas import REFERENCE
from diar.connectors.kafka.producing import Sender

RATE, BLOCK = 16_000, 1024
_PACE = 4.0  # of live streams
_TWICE, _POISON = 20, 25  # every so many references
_LARGE = 9_000_000  # bytes
SENDING = threading.Event()  # live streams are sent
SENDING.set()


@dataclass
class Counts:
    """What was sent, and which faults were made."""

    references: set[bytes] = field(default_factory=set)
    poison: int = 0
    kills: int = 0
    broker_kills: int = 0
    refused: str = "was not tried"
    most_memory: float = 0.0  # MiB of a worker with its processes


def recordings(folder: Path) -> list[Path]:
    """Write a few recordings of 1.2 s, and one file that is none."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(4):
        seconds = np.arange(round(1.2 * RATE)) / RATE
        tone = 0.2 * np.sin(2 * np.pi * (110 + 30 * number) * seconds)
        path = folder / f"{number}.wav"
        sf.write(path, tone + 0.01 * generator.standard_normal(len(seconds)), RATE)
        made.append(path)
    (folder / "broken.wav").write_bytes(b"this is no audio" * 100)
    return made


def send_references(address: str, count: int, folder: Path, sent: Counts) -> None:
    """Send all references, copies and poison."""
    files, messages = recordings(folder), []
    for number in range(count):
        key = f"job-{number:06d}".encode()
        audio = files[number % len(files)]
        if number % _POISON == _POISON - 1:
            sent.poison += 1
            audio = folder / "broken.wav"
            if number % 2:
                messages.append((key, b"{no JSON", {}))
                continue
        else:
            sent.references.add(key)
        value = json.dumps({"schema": REFERENCE, "id": key.decode(), "audio": str(audio)}).encode()
        again = number % _TWICE == 0 and audio.name != "broken.wav"
        messages += [(key, value, {})] * (2 if again else 1)
    copies = [one for one in messages if messages.count(one) > 1] if count <= 2000 else []
    send_all(address, "diar.references", [*messages, *copies])  # once more, long after the first


def send_large(address: str, sent: Counts) -> None:
    """Try a message of 9 MB by our producer, then send it by a foreign one."""
    common = {"bootstrap.servers": address, "message.max.bytes": 2 * _LARGE}
    try:
        Sender(common, 1_000_000).send(
            Outgoing("diar.references", b"large", b"x" * _LARGE), "use a reference"
        )
    except StreamError:
        sent.refused = "refused"
    foreign = Producer(common)
    taken: list[bool] = []  # no errors: a KafkaError == None leaves a TypeError behind
    foreign.produce(
        "diar.references", b"x" * _LARGE, b"large", on_delivery=lambda error, _: taken.append(error is None)
    )
    foreign.flush(120)
    sent.poison += taken == [True]  # else the broker has refused it, too


def take_back(address: str) -> None:
    """Begin a transaction on the results, and take it back."""
    producer = Producer({"bootstrap.servers": address, "transactional.id": "foreign"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(100):
        producer.produce("diar.results", b'{"taken": "back"}', f"aborted-{number}")
    producer.flush(30)
    producer.abort_transaction(30)


def send_streams(address: str, streams: int, audio: np.ndarray) -> list[threading.Thread]:
    """Begin to send live streams, each by a thread of its own."""
    data = (np.clip(audio, -1, 1) * 32_767).astype("<i2").tobytes()

    def send(name: str) -> None:
        form = {"format": "pcm_s16le", "rate": RATE, "channels": 1}
        settings = {"bootstrap.servers": address, "enable.idempotence": True, "partitioner": "murmur2_random"}
        producer = Producer({**settings, "log_level": 0})
        blocks = [data[at : at + 2 * BLOCK] for at in range(0, len(data), 2 * BLOCK)]
        for number, block in enumerate([*blocks, b""]):
            SENDING.wait()
            headers = list(audio_headers(form, number, end=not block).items())
            producer.produce("diar.audio", block, name, headers=headers)
            producer.poll(BLOCK / RATE / _PACE)
        producer.flush(120)

    threads = [threading.Thread(target=send, args=(f"stream-{one}",), daemon=True) for one in range(streams)]
    for one in threads:
        one.start()
    return threads


def talk(file: Path | None, seconds: float) -> np.ndarray:
    """Return samples of a file, or of bursts of noise."""
    if file is None:
        noise = 0.2 * np.random.default_rng(1).standard_normal(round(seconds * RATE))
        burst: np.ndarray = noise * (np.arange(len(noise)) // RATE % 3 != 0)
        return burst
    samples, rate = sf.read(file, dtype="float32", always_2d=True)
    if rate != RATE:
        raise SystemExit(f"{file}: {RATE} Hz is needed")
    mono = samples.mean(axis=1)
    return np.tile(mono, 1 + round(seconds * RATE) // len(mono))[: round(seconds * RATE)]
