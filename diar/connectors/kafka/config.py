"""Options of `diar stream work`, `produce` and `watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SEGMENTATION
from diar.options.base import CommandConfig, option, refuse_void

STDIN = "-"  # as the audio of `diar stream produce`


def _split(value: Any) -> Any:
    """Return the parts of a text with commas."""
    return tuple(part for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class BrokerConfig(CommandConfig):
    """Where the broker is, and how it is spoken to."""

    brokers: str = option(
        "127.0.0.1:9092", "broker", "host:port of Kafka's brokers, several with commas", metavar="HOST:PORT"
    )
    topics: str = option("diar", "broker", "prefix of all topics, as in diar.references", metavar="PREFIX")
    kafka_config: tuple[str, ...] = option(
        (),
        "broker",
        "settings of librdkafka, such as security.protocol=SASL_SSL; secrets belong into --kafka_properties",
        several=True,
        metavar="KEY=VALUE",
    )
    kafka_properties: Path | None = option(
        None, "broker", "file with lines of key=value: TLS, SASL, anything that librdkafka takes"
    )
    message_bytes: int = option(
        1_000_000, "broker", "largest message that the broker takes (max.message.bytes)", ge=10_000
    )
    create_topics: int | None = option(
        None, "broker", "create missing topics with so many partitions", ge=1, le=10_000, metavar="PARTITIONS"
    )
    replication: int = option(1, "broker", "copies of each partition of topics that are created", ge=1)

    _pairs = field_validator("kafka_config", mode="before")(_split)


class WorkConfig(BrokerConfig):
    """A worker: recordings by reference, or live audio."""

    environment_prefix: ClassVar[str] = "DIAR_STREAM_WORK_"

    kind: Literal["references", "audio"] = option(
        ..., "work", "references: recordings by URL; audio: live streams", positional=True
    )
    output_dir: str | None = option(
        None, "work", "of references: where Parquet and result files go, a folder or URL", metavar="OUT"
    )
    group: str | None = option(
        None, "work", "consumer group, default PREFIX-references or PREFIX-audio; its workers share the work"
    )
    worker: str | None = option(
        None,
        "work",
        "name of this worker, the same when it is started again (a pod's name); a second one of that name "
        "puts the first out",
    )
    partitions: tuple[int, ...] = option(
        (), "work", "take these partitions, without a group's help (0 = first); default: the group decides"
    )
    delivery: Literal["exactly_once", "at_least_once"] = option(
        "exactly_once",
        "work",
        "at_least_once: for brokers without transactions; a result may come twice after a fault",
    )
    urls: tuple[str, ...] = option(
        (), "work", "beginnings of audio URLs that may be read; default: all", metavar="URL,URL"
    )
    batch: int = option(16, "work", "references that are computed together", ge=1, le=512)
    tries: int = option(3, "work", "of a reference that fails, before it is a dead letter", ge=1, le=20)
    backoff: float = option(2.0, "work", "seconds before the second try; five times as long each time", ge=0)
    job_seconds: float = option(3600.0, "work", "longest time without news of a batch of references", gt=0)
    remember: int = option(
        1_000_000, "work", "finished references known to each worker, so that a copy is left out", ge=1
    )

    model: str = option(DEFAULT_ENCODER, "models", "speaker encoder: named weights or path")
    segmentation: str = option(
        DEFAULT_SEGMENTATION, "models", "what finds speech and overlap: named weights or path"
    )
    device: Literal["auto", "cuda", "cpu"] = option("auto", "models", "auto = the GPU if there is one")
    precision: Literal["auto", "fp32", "tf32", "mixed", "bf16", "fp16"] = option(
        "auto", "models", "of the networks; auto = fp16 on GPUs, on CPUs bf16 or fp32"
    )
    asr: str | None = option(
        None,
        "models",
        "recogniser for references that ask for words, as `diar words` takes it, such as whisper-tiny.en; "
        "default: none, and such references are dead letters",
    )
    threads: int = option(1, "models", "of the CPU", ge=1)

    hop: float = option(
        0.5, "live audio", "seconds from one look at a stream to the next, at most", ge=0.1, le=2.0
    )
    checkpoint_seconds: float = option(
        10.0,
        "live audio",
        "of a stream from one saved state to the next; so much is heard again at most",
        ge=1,
    )
    idle_seconds: float = option(
        300.0, "live audio", "without audio after which a stream ends by itself", gt=0
    )

    metrics_port: int | None = option(
        None, "watching", "port with metrics for Prometheus; 0 = any free one, which is told", ge=0, le=65535
    )
    metrics_host: str = option("127.0.0.1", "watching", "address of that port", metavar="ADDRESS")

    _listed = field_validator("urls", "partitions", mode="before")(_split)

    @model_validator(mode="after")
    def _check_output(self) -> WorkConfig:
        if self.kind == "references" and self.output_dir is None:
            raise ValueError("`diar stream work references` needs --output_dir")
        refuse_void(self, self._void())
        return self

    def _void(self) -> dict[str, str]:
        """Return the options that do nothing, each with the reason."""
        of_references = ("output_dir", "urls", "batch", "tries", "backoff", "job_seconds", "remember", "asr")
        of_audio = ("hop", "checkpoint_seconds", "idle_seconds")
        others = of_audio if self.kind == "references" else of_references
        void = dict.fromkeys(others, f"with `diar stream work {self.kind}`")
        if self.delivery == "at_least_once":
            void["worker"] = "with --delivery at_least_once, which has no transactions to name"
        return void

    @property
    def group_name(self) -> str:
        """Return the consumer group."""
        return self.group or f"{self.topics}-{self.kind}"


class ProduceConfig(BrokerConfig):
    """Recordings, or a live stream, to a topic."""

    environment_prefix: ClassVar[str] = "DIAR_STREAM_PRODUCE_"

    audio: str = option(
        ...,
        "audio",
        "folder, list or file of recordings to refer to; - = references on stdin, a JSON object a line. With "
        "--live: the file to play, - = raw 16 bit samples on stdin",
        positional=True,
    )
    live: bool = option(False, "audio", "send the audio itself, at the pace of a clock")
    stream: str | None = option(None, "live audio", "id of the stream; default: the file's name and a number")
    sample_rate: int = option(16_000, "live audio", "Hz of raw samples on stdin", ge=8_000, le=48_000)
    channels: int = option(1, "live audio", "channels of raw samples on stdin", ge=1, le=64)
    pace: float = option(1.0, "live audio", "times real time; 0 = as fast as the broker takes it", ge=0)
    block: int = option(1024, "live audio", "samples of a message", ge=64, le=48_000)

    num_speakers: int | None = option(None, "references", "how many speak", ge=1, le=200)
    max_speakers: int | None = option(None, "references", "most that may speak", ge=1, le=200)
    preset: Literal["auto", "general", "telephone"] = option("auto", "references", "thresholds")
    words: bool = option(False, "references", "what is said, too")
    language: str | None = option(None, "references", "of the words, such as en")
    revision: str | None = option(
        None, "references", "any text; another one has recordings computed again, whose audio has changed"
    )

    @model_validator(mode="after")
    def _nothing_void(self) -> ProduceConfig:
        """Refuse what another option makes void."""
        refuse_void(self, self._void())
        return self

    def _void(self) -> dict[str, str]:
        """Return the options that do nothing, each with the reason."""
        if not self.live:
            void = dict.fromkeys(("stream", "sample_rate", "channels", "pace", "block"), "without --live")
            if not self.words and self.audio != STDIN:  # lines of stdin may ask for words themselves
                void["language"] = "without --words"
            return void
        of_references = ("num_speakers", "max_speakers", "preset", "words", "language", "revision")
        void = dict.fromkeys(of_references, "with --live, which sends no references")
        if self.audio == STDIN:
            return {**void, "pace": "with raw samples on stdin, which are sent as they come"}
        return {**void, **dict.fromkeys(("sample_rate", "channels"), "with a file, which tells its own")}


class WatchConfig(BrokerConfig):
    """Results, events and dead letters, as they come."""

    environment_prefix: ClassVar[str] = "DIAR_STREAM_WATCH_"

    what: tuple[Literal["results", "events", "dead"], ...] = option(
        ("results", "events", "dead"), "output", "topics to show", metavar="TOPIC,TOPIC"
    )
    from_start: bool = option(False, "output", "begin with the oldest message, not with the next one")
    as_json: bool = option(False, "output", "print every message as one line of JSON", alias="json")
    most: int | None = option(None, "output", "end after so many messages", ge=1)
    idle_seconds: float | None = option(None, "output", "end after so long without a message", gt=0)

    _topics = field_validator("what", mode="before")(_split)
