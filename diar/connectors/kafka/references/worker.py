"""A worker of references: takes messages, has them computed, sends results with the offsets."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from confluent_kafka import TopicPartition

from diar.connectors.kafka.client import LOG
from diar.connectors.kafka.config import WorkConfig
from diar.connectors.kafka.delivery import Delivery
from diar.connectors.kafka.errors import LostPartitions, PoisonError
from diar.connectors.kafka.intake import Intake
from diar.connectors.kafka.messages.outgoing import Outgoing, another_try, dead_letter, done_record
from diar.connectors.kafka.messages.reference import parse_reference
from diar.connectors.kafka.metrics import StreamMetrics
from diar.connectors.kafka.references.batches import Batch, Task, attempts_of, due_at
from diar.connectors.kafka.references.done import Finished
from diar.connectors.kafka.references.jobs import Answer, Computed, Failed, Job
from diar.connectors.kafka.references.process import Computing
from diar.connectors.kafka.references.publishing import shortened
from diar.connectors.kafka.topics import Topics

_AHEAD = 2  # batches: while one is computed, the next waits at the process
_LOOK = 0.05  # seconds from one look at the process to the next
_WAIT = 0.2  # seconds for a first message
_LATER = 5.0  # times as long before each further try


class ReferencesWorker:
    """One consumer and its computing process.

    Args:
        config: of the command.
        intake: where messages come from; `lost` and `finished` belong to it.
        delivery: where results go.
        computing: the process.
        finished: which references are done.
        metrics: are told of everything.
    """

    def __init__(
        self,
        config: WorkConfig,
        intake: Intake,
        delivery: Delivery,
        computing: Computing,
        finished: Finished,
        metrics: StreamMetrics,
    ) -> None:
        self._config, self._topics = config, Topics(config.topics)
        self._intake, self._delivery, self._computing = intake, delivery, computing
        self._finished, self._metrics = finished, metrics
        self._batches: deque[Batch] = deque()
        self._tasks: dict[int, Task] = {}  # of all batches, by the number of the job
        self._later: list[Any] = []  # messages whose time has not come
        self._number = 0
        self._heard = time.monotonic()
        self._alone: deque[Job] = deque()  # one of them ended the process; the first is being computed

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until `stopping`; what is being computed then is finished and sent."""
        while not stopping():
            self.step()
        until = time.monotonic() + self._config.job_seconds
        while self._batches and time.monotonic() < until:
            self._answers()
            self._send_complete()
            self._intake.wait(0)

    def step(self) -> None:
        """Take messages if there is room, and send what is complete."""
        if len(self._batches) < _AHEAD and not self._alone:
            self._take()
        else:
            self._intake.wait(0)
        self._answers()
        self._send_complete()
        self._metrics.look(self._intake)

    def forget(self) -> None:
        """Drop everything that is on its way: somebody else has the messages."""
        self._batches.clear()
        self._tasks.clear()
        self._later.clear()
        self._alone.clear()

    def _take(self) -> None:
        """Begin a batch with what has come and what has become due."""
        seconds = 0.0 if self._batches else _WAIT
        came = self._intake.take(self._config.batch, seconds)  # a rebalance in it forgets all the others
        ready = self._due() + [message for message in came if self._may_begin(message)]
        if not ready:
            return
        batch = Batch(ready)
        self._batches.append(batch)
        for message in ready:
            self._add(batch, message)
        jobs = [task.job for task in batch.tasks.values()]
        if jobs:
            self._heard = time.monotonic() if len(self._batches) == 1 else self._heard
            self._computing.send(jobs)

    def _may_begin(self, message: Any) -> bool:
        """Whether a message's time has come; its partition waits otherwise."""
        place = message.topic(), message.partition()
        behind = any((one.topic(), one.partition()) == place for one in self._later)
        if not behind and due_at(message) <= time.time():
            return True
        self._later.append(message)
        self._intake.hold(message, True)
        return False

    def _due(self) -> list[Any]:
        """Take out the messages whose time has come, of each partition in order."""
        waiting: set[tuple[str, int]] = set()
        due, later = [], []
        for message in self._later:
            place = message.topic(), message.partition()
            if place in waiting or due_at(message) > time.time():
                waiting.add(place)
                later.append(message)
            else:
                due.append(message)
        self._later = later
        for message in due:
            if (message.topic(), message.partition()) not in waiting:
                self._intake.hold(message, False)
        return due

    def _add(self, batch: Batch, message: Any) -> None:
        """Make a job of a message, unless it is a copy, no reference, or one that cannot be computed here."""
        try:
            reference = parse_reference(message.key(), message.value(), self._config.urls)
            fingerprint = reference.fingerprint(self._computing.versions_for(reference))
        except PoisonError as error:
            batch.ready.append((message, Failed(0, error.reason, str(error), again=False)))
            return
        copy = self._finished.has(message.partition(), message.key(), fingerprint) or any(
            task.job.fingerprint == fingerprint and not isinstance(task.outcome, Failed)
            for task in self._tasks.values()
        )
        if copy:
            self._metrics.references.labels("copy").inc()
            return
        self._number += 1
        task = Task(message, Job(self._number, reference, fingerprint))
        batch.tasks[self._number] = self._tasks[self._number] = task

    def _answers(self) -> None:
        """Take what the process has computed; notice if it has ended, or does not get on."""
        try:
            answer = self._computing.answer(_LOOK if self._batches else 0)
            while answer is not None:
                self._note(answer)
                answer = self._computing.answer(0)
        except EOFError:
            self._after_death("ended")
            return
        if self._open() and time.monotonic() - self._heard > self._config.job_seconds:
            self._computing.end()
            self._after_death(f"gave no answer for {self._config.job_seconds:g} s")

    def _open(self) -> list[Job]:
        return [job for batch in self._batches for job in batch.open_jobs()]

    def _note(self, answer: Answer) -> None:
        self._heard = time.monotonic()
        if not isinstance(answer, Computed | Failed) or answer.number not in self._tasks:
            return  # of a batch that was forgotten
        self._tasks[answer.number].outcome = answer
        if isinstance(answer, Computed):
            self._metrics.audio_seconds.inc(answer.audio_seconds)
        if self._alone and self._alone[0].number == answer.number:
            self._alone.popleft()
            self._send_alone()

    def _after_death(self, how: str) -> None:
        """Start the process again; its jobs are computed one by one, to find the one that ended it."""
        self._metrics.deaths.inc()
        LOG.warning("the process that computes references %s; it is started again", how)
        if self._alone:
            guilty = self._alone.popleft()
            text = f"the process that computed it {how}"
            self._tasks[guilty.number].outcome = Failed(guilty.number, "died", text, again=True)
        waiting = self._open()
        self._computing.end()
        self._computing.start()
        self._heard = time.monotonic()
        self._alone = deque(waiting)
        self._send_alone()

    def _send_alone(self) -> None:
        if self._alone:
            self._computing.send([self._alone[0]])

    def _send_complete(self) -> None:
        """Send the results of the oldest batches, if they are complete."""
        while self._batches and self._batches[0].complete:
            batch = self._batches[0]
            began = time.monotonic()
            try:
                self._delivery.send(self._intake.consumer, list(self._messages(batch)), batch.offsets())
            except LostPartitions as error:
                LOG.warning("results are left to another worker: %s", error)
                self.forget()
                self._intake.rewind()
                return
            self._metrics.commit_seconds.observe(time.monotonic() - began)
            self._batches.popleft()
            self._after_sending(batch)

    def _messages(self, batch: Batch) -> Iterable[Outgoing]:
        for message, failed in batch.ready:
            yield self._dead(message, failed, attempts_of(message) + 1)
        for task in batch.tasks.values():
            if isinstance(task.outcome, Computed):
                yield from self._result(task, task.outcome)
            elif isinstance(task.outcome, Failed):
                yield self._failure(task.message, task.outcome)

    def _result(self, task: Task, computed: Computed) -> Sequence[Outgoing]:
        value = computed.value
        if len(value) > self._config.message_bytes:
            value = shortened(value)
        message = task.message
        return (
            Outgoing(self._topics.results, message.key(), value, message.partition()),
            done_record(self._topics.done, message, task.job.fingerprint),
        )

    def _failure(self, message: Any, failed: Failed) -> Outgoing:
        """Return the next try of a reference, or its dead letter."""
        attempts = attempts_of(message) + 1
        if failed.again and attempts < self._config.tries:
            due = time.time() + self._config.backoff * _LATER ** (attempts - 1)
            return another_try(self._topics.retries, message, attempts, due)
        return self._dead(message, failed, attempts)

    def _dead(self, message: Any, failed: Failed, attempts: int) -> Outgoing:
        most = self._config.message_bytes
        return dead_letter(self._topics.dead, message, failed.reason, failed.message, attempts, most)

    def _after_sending(self, batch: Batch) -> None:
        now, count = time.time(), self._metrics.references
        for _, failed in batch.ready:
            count.labels("dead").inc()
            self._metrics.dead.labels(failed.reason).inc()
        for number, task in batch.tasks.items():
            self._tasks.pop(number, None)
            message, outcome = task.message, task.outcome
            if isinstance(outcome, Computed):
                self._finished.add(message.partition(), message.key(), task.job.fingerprint)
                count.labels("done").inc()
                self._metrics.reference_seconds.observe(max(0.0, now - message.timestamp()[1] / 1000))
            elif isinstance(outcome, Failed):
                dead = not outcome.again or attempts_of(message) + 1 >= self._config.tries
                count.labels("dead" if dead else "retried").inc()
                if dead:
                    self._metrics.dead.labels(outcome.reason).inc()


def begin_where_committed(
    finished: Finished, forget: Callable[[], None]
) -> Callable[[list[TopicPartition]], list[TopicPartition]]:
    """Return what a worker does with partitions that it is given."""

    def begin(partitions: list[TopicPartition]) -> list[TopicPartition]:
        forget()
        finished.take_over(one.partition for one in partitions)
        return partitions

    return begin
