"""The process that computes references: apart from the consumer, so that no recording can end that."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from diar.asr.addresses import is_endpoint
from diar.asr.errors import RecognitionError
from diar.connectors.kafka.references.jobs import Answer, Broken, Computed, Failed, Job, Ready, Setup
from diar.errors import DiarError, StoreUnavailable, explain

# Kinds of AudioError that time may heal; all others are the recording's own
_MAY_PASS = frozenset(["missing", "unreadable", "error"])


def work(connection: Connection, setup: Setup) -> None:
    """Open the networks, tell their versions, then compute batches until the connection closes."""
    for one in (signal.SIGINT, signal.SIGTERM):  # which some send to all of a group; the consumer ends it
        signal.signal(one, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(setup.threads)  # read when PyTorch is loaded
    try:
        pipeline = _Pipeline(connection, setup)
    except DiarError as error:
        connection.send(Broken(str(error)))
        return
    connection.send(Ready(pipeline.versions, pipeline.with_words))
    while True:
        try:
            jobs = connection.recv()
        except (EOFError, OSError):
            return  # the consumer has ended
        try:
            pipeline.run(jobs)
        except BrokenPipeError:
            return


class _Pipeline:
    """The offline pipeline with its networks."""

    def __init__(self, connection: Connection, setup: Setup) -> None:
        import diar
        from diar.api.asked import Asked
        from diar.connectors.kafka.references.embedding import Together
        from diar.connectors.kafka.references.publishing import Publisher

        self._connection, self._lock = connection, threading.Lock()
        self._at_a_server = setup.asr is not None and is_endpoint(setup.asr)
        self._encoder = diar.open_encoder(setup.model, device=setup.device, precision=setup.precision)
        self._segmentation = diar.open_segmentation(setup.segmentation)
        self._recogniser: Any = None
        if setup.asr is not None:
            self._recogniser = diar.open_recogniser(setup.asr, device=setup.device, threads=setup.threads)
        self._together = Together(self._encoder, self._segmentation)
        self.versions = {
            "program": f"diar {diar.__version__}",
            "models": self._encoder.metadata(self._segmentation),
            "precision": self._encoder.precision,
            "thresholds": Asked().thresholds(),
        }
        self.with_words: dict[str, Any] | None = None
        if self._recogniser is not None:
            self.with_words = {**self.versions, "recogniser": asdict(self._recogniser.identity)}
        self._publisher = Publisher(setup.output_dir)
        self._finishing = ThreadPoolExecutor(1, "diar-finish")

    def run(self, jobs: Sequence[Job]) -> None:
        """Compute a batch; send an answer for each of its jobs."""
        began = time.time()
        todo = [job for job in jobs if not self._answer_published(job)]
        plain = [job for job in todo if not job.reference.words]
        finishing = [
            self._finishing.submit(self._finish, job, outcome, began)
            for job, outcome in self._together.embed(plain)
        ]
        for job in todo:
            if job.reference.words:
                self._send(self._guarded(job, lambda job=job: self._transcribed(job, began)))
        for one in finishing:
            one.result()

    def _answer_published(self, job: Job) -> bool:
        try:
            found = self._publisher.published(job)
        except (DiarError, OSError) as error:
            self._send(Failed(job.number, "store", explain(error), again=True))
            return True
        if found is not None:
            self._send(Computed(job.number, found, 0.0))
        return found is not None

    def _finish(self, job: Job, outcome: Any, began: float) -> None:
        self._send(self._guarded(job, lambda: self._diarized(job, outcome, began)))

    def _diarized(self, job: Job, outcome: Any, began: float) -> Computed:
        import diar

        if isinstance(outcome, DiarError):
            raise outcome
        found = diar.diarize(outcome, **job.reference.of_speakers)
        value = self._publisher.publish(job, found, None, self.versions, began)
        return Computed(job.number, value, found.duration)

    def _transcribed(self, job: Job, began: float) -> Computed:
        import diar

        assert self._recogniser is not None and self.with_words is not None  # others are not sent here
        heard = diar.transcribe(
            job.reference.audio,
            recogniser=self._recogniser,
            language=job.reference.options.get("language"),
            encoder=self._encoder,
            segmentation=self._segmentation,
            **job.reference.of_speakers,
            **job.reference.of_reading,
        )
        value = self._publisher.publish(job, heard.diarization, heard.to_json(), self.with_words, began)
        return Computed(job.number, value, heard.diarization.duration)

    def _guarded(self, job: Job, do: Any) -> Answer:
        """Return what was computed, or why it was not."""
        from diar.api.errors import AudioError

        try:
            answer: Answer = do()
            return answer
        except AudioError as error:
            return Failed(job.number, error.kind, str(error), again=error.kind in _MAY_PASS)
        except StoreUnavailable as error:
            return Failed(job.number, "store", str(error), again=True)
        except RecognitionError as error:  # a server may answer later, networks say the same again
            return Failed(job.number, "recogniser", str(error), again=self._at_a_server)
        except DiarError as error:
            return Failed(job.number, "refused", str(error), again=False)
        except OSError as error:
            return Failed(job.number, "store", explain(error), again=True)
        except MemoryError:
            return Failed(job.number, "too_long", "the recording does not fit into memory", again=True)

    def _send(self, answer: Answer) -> None:
        with self._lock:
            self._connection.send(answer)
