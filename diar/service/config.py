"""Options of `diar serve`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.export.config import check_backend
from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SEGMENTATION
from diar.options.base import option
from diar.options.tracking import TrackedConfig
from diar.options.watching import LOG_FORMAT_HELP, LogFormat


class ServeConfig(TrackedConfig):
    """Live diarization and jobs over HTTP and WebSocket."""

    environment_prefix: ClassVar[str] = "DIAR_SERVE_"

    host: str = option("127.0.0.1", "server", "address to listen on; 0.0.0.0 = all", metavar="ADDRESS")
    port: int = option(8000, "server", "TCP port; 0 = any free one, which is told", ge=0, le=65535)
    tls_certificate: Path | None = option(None, "server", "PEM file with the certificate chain: HTTPS, WSS")
    tls_key: Path | None = option(None, "server", "PEM file with its private key")
    client_ca: Path | None = option(
        None,
        "server",
        "PEM file of authorities: clients must show a certificate of theirs, whose subject is the caller",
    )
    redis: str | None = option(
        None,
        "server",
        "URL, such as redis://localhost:6379/0: sessions survive a dead replica, limits and results are "
        "those of all replicas",
        metavar="URL",
    )
    log_format: LogFormat = option("text", "server", LOG_FORMAT_HELP)

    insecure: bool = option(False, "security", "let everybody in; only on this machine (loopback)")
    jwt_secret_file: Path | None = option(
        None, "security", "file with the secret of tokens signed with HS256, 32 bytes or more"
    )
    jwks_file: Path | None = option(
        None,
        "security",
        "JWKS file with the public keys of tokens signed with RS256 or ES256; read again when it changes",
    )
    issuer: str | None = option(None, "security", "that tokens must name (claim iss)")
    audience: str | None = option(None, "security", "that tokens must be for (claim aud)")
    tenant_claim: str = option(
        "tenant", "security", "claim that names the tenant; without it, the subject is its own"
    )
    allowed_origins: tuple[str, ...] = option(
        (), "security", "other web sites whose pages may call (CORS), such as https://app.example.com"
    )
    audit_log: str = option(
        "-", "security", "file for the audit log, JSON lines; - = stderr, empty = none", metavar="FILE"
    )
    open_metrics: bool = option(False, "security", "serve /metrics without credentials")

    model: str = option(
        DEFAULT_ENCODER, "models", "speaker encoder: named weights, path, or models:/NAME@ALIAS of MLflow"
    )
    segmentation: str = option(
        DEFAULT_SEGMENTATION, "models", "what finds speech and overlap: a PyanNet by name or path"
    )
    device: Literal["auto", "cuda", "cpu"] = option("auto", "models", "auto = the GPU if there is one")
    precision: Literal["auto", "fp32", "tf32", "mixed", "bf16", "fp16"] = option(
        "auto", "models", "of the networks; auto = fp16 on GPUs, on CPUs bf16 or fp32"
    )
    backend: str = option(
        "torch",
        "models",
        "what computes the encoder's trunk: torch, onnx (ONNX Runtime), or the address of a Triton server "
        "with the repository of `diar export --format triton --part trunk`",
        metavar="NAME|URL",
    )
    provider: Literal["cpu", "cuda", "tensorrt"] = option(
        "cpu", "models", "what ONNX Runtime computes with; cuda and tensorrt need onnxruntime-gpu"
    )
    workers: int | None = option(
        None,
        "models",
        "processes that compute streams; default: one a core up to 4, or one for a GPU",
        ge=1,
    )
    threads: int = option(1, "models", "CPU threads of each forward pass", ge=1)
    known_speakers: Path | None = option(
        None, "models", "folder with audio of people, NAME/*.wav: whoever is heard gets the name"
    )
    hop: float = option(
        0.5, "models", "seconds from one look at the audio to the next, at most", ge=0.1, le=2
    )

    asr: str = option(
        "whisper-tiny.en",
        "words",
        "recogniser for whoever asks for words: named weights (`diar models list`), Hugging Face id or path; "
        "empty = no words",
    )
    asr_threads: int = option(1, "words", "CPU threads that recognise the words of live sessions", ge=1)

    voices: tuple[str, ...] = option(
        (),
        "speech",
        "text to speech beside it: kokoro-82m, espeak or a folder of weights; NAME=WEIGHTS gives the model "
        "another name, NAME=WEIGHTS*0.1 gives a tenth of its requests to a canary",
        metavar="MODEL,MODEL",
    )
    speech_threads: int = option(1, "speech", "CPU threads of each synthesizer", ge=1)
    speech_queue: int = option(16, "speech", "requests for speech at work at once", ge=1)
    speech_keep_hours: float = option(24.0, "speech", "what was spoken is kept so long in Redis", gt=0)

    max_sessions: int = option(64, "limits", "live sessions of this process", ge=1)
    caller_sessions: int = option(16, "limits", "live sessions of a caller", ge=1)
    caller_speech: int = option(8, "limits", "requests for speech of a caller at work at once", ge=1)
    requests_per_minute: int = option(
        600, "limits", "of a caller; messages within a session do not count", ge=1
    )
    audio_per_minute: float = option(
        1_920.0,
        "limits",
        "seconds of live audio a minute of a caller; more is slowed, over HTTP refused",
        gt=0,
    )
    characters_per_minute: int = option(20_000, "limits", "of a caller, that are spoken", ge=1)
    session_hours: float = option(24.0, "limits", "longest session, hours of audio", gt=0)
    idle_seconds: float = option(30.0, "limits", "a session without audio and KeepAlive ends then", gt=0)
    keep_seconds: float = option(
        60.0,
        "limits",
        "a session that gets no audio over a connection, and what is left of one that ended, is kept so long",
        ge=1,
    )
    buffer_seconds: float = option(
        5.0, "limits", "audio that may wait to be processed; then the client is slowed", ge=1
    )
    slow_seconds: float = option(10.0, "limits", "a client that does not read for so long is dropped", ge=1)
    max_channels: int = option(8, "limits", "of live audio", ge=1, le=64)
    frame_kilobytes: int = option(1_024, "limits", "largest message of a WebSocket", ge=16)
    upload_megabytes: float = option(1_024.0, "limits", "largest upload of a job", gt=0)
    connections: int = option(2_000, "limits", "open connections; more are answered with 503", ge=8)

    job_workers: int = option(
        1, "jobs", "recordings diarized at once, each in a process; 0 = no jobs", ge=0, le=64
    )
    job_queue: int = option(32, "jobs", "jobs that may wait", ge=1)
    job_hours: float = option(6.0, "jobs", "longest recording, hours; whatever its header says", gt=0)
    job_seconds: float = option(
        7_200.0, "jobs", "longest time that a job may take; then its process is ended", gt=0
    )
    job_keep_hours: float = option(24.0, "jobs", "a job and its result are kept so long", gt=0)
    job_urls: tuple[str, ...] = option(
        (),
        "jobs",
        "beginnings of URLs that a job may name in place of an upload, such as s3://calls/",
    )
    results_dir: Path | None = option(
        None, "jobs", "folder of uploads and of kept results; default: a temporary one, removed at the end"
    )
    results_megabytes: float = option(512.0, "jobs", "kept results without Redis; the oldest go", gt=0)

    save_seconds: float = option(1.0, "saving", "a session is saved to Redis so often", ge=0.2)
    drain_seconds: float = option(
        8.0, "saving", "after SIGTERM sessions have so long to be saved", ge=1, le=60
    )

    @field_validator("allowed_origins", "job_urls", "voices", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("backend")
    @classmethod
    def _a_backend(cls, value: str) -> str:
        check_backend(value)
        return value

    @model_validator(mode="after")
    def _check_backend_fits(self) -> ServeConfig:
        if self.backend != "onnx" and self.provider != "cpu":
            raise ValueError(f"--provider {self.provider} is for --backend onnx")
        if self.backend != "torch" and self.precision not in ("auto", "fp32"):
            raise ValueError(f"--backend {self.backend} computes in fp32: leave --precision out")
        return self

    @model_validator(mode="after")
    def _check_callers(self) -> ServeConfig:
        """Refuse to serve everybody by accident."""
        if self.insecure and not is_loopback(self.host):
            raise ValueError(
                f"--insecure lets everybody in, so it takes a loopback address only; --host {self.host} is "
                "none: give credentials (--jwt_secret_file, --jwks_file or --client_ca)"
            )
        if not (self.insecure or self.jwt_secret_file or self.jwks_file or self.client_ca):
            raise ValueError(
                "nobody could call: give --jwt_secret_file or --jwks_file (tokens), --client_ca (client "
                "certificates), or --insecure to let everybody on this machine in"
            )
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> ServeConfig:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("--tls_certificate and --tls_key belong together")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("--client_ca needs --tls_certificate and --tls_key")
        return self


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
