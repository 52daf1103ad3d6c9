"""`diar stream work`, `produce` and `watch`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TypeVar

from diar.connectors.kafka.config import BrokerConfig, ProduceConfig, WatchConfig, WorkConfig
from diar.errors import EXIT_OK, DiarError
from diar.extras import install_line
from diar.options.command import run_command

_NEEDED = ("confluent_kafka", "jsonschema", "prometheus_client")
_BROKER = """
Secrets belong into a file: --kafka_properties broker.properties, with lines such as
  security.protocol=SASL_SSL
  sasl.mechanism=SCRAM-SHA-512
docs/streams.md has the topics, their schemas, what happens at faults, and TLS and SASL."""

WORK = """\
Work for Kafka until SIGTERM; what was begun is then finished. Workers of one group share the partitions.
  references  messages that name recordings: each is diarized as by `diar diarize`, published under OUT as
              Parquet and JSON, and its result sent to PREFIX.results
  audio       messages of live audio: events of each stream go to PREFIX.events in order; a stream whose
              worker dies goes on at another with the same speakers
Results are committed with the place of their message: readers of committed messages see each once."""

WORK_EPILOG = f"""\
examples:
  diar stream work references --brokers kafka:9092 --output_dir s3://bucket/result --create_topics 12
  diar stream work references --output_dir OUT --asr whisper-tiny.en    for references that ask for words
  diar stream work audio --brokers kafka:9092 --metrics_port 9100
{_BROKER}"""

PRODUCE = """\
Send recordings by reference, or a live stream: a file at the pace of a clock, or raw samples from stdin.
A message that is larger than the broker takes is refused before it is sent."""

PRODUCE_EPILOG = f"""\
examples:
  diar stream produce calls/                         a reference for each recording in the folder
  diar stream produce s3://bucket/calls/ --words     what is said, too
  echo '{{"id": "a", "audio": "s3://bucket/a.wav"}}' | diar stream produce -
  diar stream produce meeting.wav --live
  arecord -t raw -f S16_LE -r 16000 -c 1 | diar stream produce - --live --stream kitchen
{_BROKER}"""

WATCH = """\
Show results, events and dead letters as they are committed. With --json a line a message, for programs."""

WATCH_EPILOG = f"""\
examples:
  diar stream watch
  diar stream watch --what results,dead --from_start --json --idle_seconds 5
{_BROKER}"""

ConfigT = TypeVar("ConfigT", bound=BrokerConfig)


def work(arguments: Sequence[str], prog: str = "diar stream work") -> int:
    """Run `diar stream work` and return the exit code."""
    return run_command(_work, WorkConfig, arguments, prog=prog, description=WORK, epilog=WORK_EPILOG)


def produce(arguments: Sequence[str], prog: str = "diar stream produce") -> int:
    """Run `diar stream produce` and return the exit code."""
    return run_command(
        _produce, ProduceConfig, arguments, prog=prog, description=PRODUCE, epilog=PRODUCE_EPILOG
    )


def watch(arguments: Sequence[str], prog: str = "diar stream watch") -> int:
    """Run `diar stream watch` and return the exit code."""
    return run_command(_watch, WatchConfig, arguments, prog=prog, description=WATCH, epilog=WATCH_EPILOG)


def _work(config: WorkConfig) -> int:
    _check_packages()
    from diar.connectors.kafka.running import run_worker

    run_worker(config, _teller("diar stream work"))
    return EXIT_OK


def _produce(config: ProduceConfig) -> int:
    _check_packages()
    from diar.connectors.kafka.producing import send_live, send_references

    send: Callable[[ProduceConfig, Callable[[str], None]], None] = (
        send_live if config.live else send_references
    )
    send(config, _teller("diar stream produce"))
    return EXIT_OK


def _watch(config: WatchConfig) -> int:
    _check_packages()
    from diar.connectors.kafka.watching import watched

    try:
        for line in watched(config):
            print(line, flush=True)
    except KeyboardInterrupt:
        return EXIT_OK
    return EXIT_OK


def _check_packages() -> None:
    """Raise DiarError where a package of the extra is missing; log warnings to stderr."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise DiarError(
            f"`diar stream` needs packages that are not installed ({', '.join(missing)}): "
            f"{install_line('kafka')}"
        )
    logging.basicConfig(format="diar stream: %(message)s", level=logging.WARNING)


def _teller(name: str) -> Callable[[str], None]:
    def tell(message: str) -> None:
        print(f"{name}: {message}", file=sys.stderr, flush=True)

    return tell
