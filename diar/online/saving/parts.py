"""What of a stream goes into its saved state, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from diar.embedding.chunks import Chunk
from diar.embedding.stored import from_bytes, to_bytes
from diar.errors import DiarError
from diar.online.audio import Samples
from diar.online.events import LiveTurn
from diar.online.final_turns import COLUMNS, FinalTurns
from diar.online.hearing.onset import Onset
from diar.online.hearing.speakers import Speaker
from diar.online.hearing.voices import Voice
from diar.online.progress import Progress, Waiting
from diar.online.saving.packed import audio_from_flac, audio_to_flac
from diar.online.timeline import Carried
from diar.online.tracking import Ready
from diar.online.turns import ToldTurn

SAVED_CHUNKS = 4  # with their tracks; what is older is as good as forgotten, but for voices and turns
_PLAIN = ("position", "chunk", "chunk_start", "looked", "speech_end")

Values = dict[str, Any]
Arrays = dict[str, np.ndarray]


def save(progress: Progress, *, begun: bool, most_chunks: int) -> tuple[Values, Arrays]:
    """Return numbers and names, and arrays; the tracks of the newest chunks only."""
    newest = sorted(progress.kept.chunks, reverse=True)[:most_chunks]
    chunks = to_bytes({number: progress.kept.chunks[number] for number in sorted(newest)})
    waiting = progress.waiting
    values = {
        **{name: float(getattr(progress, name)) for name in _PLAIN},
        "begun": begun,
        "models": progress.models.metadata,
        "hop": progress.settings.hop,
        "seq": progress.telling.seq,
        "onset": asdict(progress.onset),
        "audio_start": progress.audio.start,
        "waiting": None if waiting is None else _waiting(waiting),
    }
    arrays = {
        "audio": audio_to_flac(progress.audio.kept),
        "chunks": np.frombuffer(chunks, np.uint8),
        "level": progress.timeline.level,
    }
    for part in (_save_turns(progress), _save_speakers(progress), _save_voices(progress)):
        values |= part[0]
        arrays |= part[1]
    return values, arrays


def load(progress: Progress, values: Values, arrays: Arrays) -> None:
    """Put what `save` returned into a new stream.

    Raises:
        DiarError: it is of other models, of another hop, or incomplete.
    """
    for name, now in (("models", progress.models.metadata), ("hop", progress.settings.hop)):
        if values.get(name) != now:
            raise DiarError(f"`state` was saved with other {name}: {values.get(name)}, here {now}")
    try:
        _load(progress, values, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DiarError(f"`state` is incomplete or damaged: {error!r}") from error


def _load(progress: Progress, values: Values, arrays: Arrays) -> None:
    for name in _PLAIN:
        setattr(progress, name, values[name] if name == "speech_end" else int(values[name]))
    progress.telling.seq = values["seq"]
    progress.onset = Onset(**values["onset"])
    progress.audio = Samples(audio_from_flac(arrays["audio"]), values["audio_start"])
    progress.kept.chunks = from_bytes(arrays["chunks"].tobytes())
    _load_turns(progress, values, arrays)
    _load_speakers(progress, values, arrays)
    _load_voices(progress, values, arrays)
    if values["waiting"] is not None:
        due, index, start, end, *core, last = values["waiting"]
        chunk = Chunk(index, start, progress.audio.take(start, end), (core[0], core[1]), last=last)
        progress.waiting = Waiting(due, chunk, Ready(progress.models.track(chunk)))


def _waiting(waiting: Waiting) -> list[int | bool]:
    chunk = waiting.chunk
    return [waiting.due, chunk.index, chunk.start, chunk.end, *chunk.core, chunk.last]


def _save_turns(progress: Progress) -> tuple[Values, Arrays]:
    timeline, book = progress.timeline, progress.book
    values = {
        "first": timeline.first,
        "numbers": timeline.numbers,
        "carried": {str(number): asdict(carried) for number, carried in timeline.carried.items()},
        "next_id": book.next_id,
        "told": [[asdict(told.turn), told.ended] for told in book.told.values()],
        "final_overlaps": {str(number): others for number, others in book.final.overlaps.items()},
        "tracked": progress.hops.tracked,
    }
    return values, {f"final_{name}": column for name, column in book.final.columns().items()}


def _load_turns(progress: Progress, values: Values, arrays: Arrays) -> None:
    timeline, book = progress.timeline, progress.book
    timeline.first, timeline.level = values["first"], arrays["level"]
    timeline.numbers = values["numbers"]
    timeline.carried = {int(number): Carried(**carried) for number, carried in values["carried"].items()}
    book.next_id = values["next_id"]
    told = [ToldTurn(_turn(turn), ended) for turn, ended in values["told"]]
    book.told = {one.turn.id: one for one in told}
    overlaps = {int(number): tuple(others) for number, others in values["final_overlaps"].items()}
    book.final = FinalTurns({name: arrays[f"final_{name}"] for name in COLUMNS}, overlaps)
    progress.hops.tracked = values["tracked"]


def _turn(values: Values) -> LiveTurn:
    return LiveTurn(**{**values, "overlaps": tuple(values["overlaps"])})


def _save_speakers(progress: Progress) -> tuple[Values, Arrays]:
    speakers, corrections = progress.speakers, progress.corrections
    rows = speakers.rows
    values = {
        "speakers": [[row.number, row.seconds, row.sure, row.name, row.single] for row in rows],
        "next_number": speakers.next_number,
        "different": speakers.different,
        "seen": speakers.seen,
        "clustered": corrections.clustered,
        "numbers_clustered": sorted(corrections.numbers_clustered),
    }
    return values, {"totals": np.array([row.total for row in rows])}


def _load_speakers(progress: Progress, values: Values, arrays: Arrays) -> None:
    speakers, corrections = progress.speakers, progress.corrections
    speakers.rows = [
        Speaker(number, total, seconds, sure, name, single)
        for (number, seconds, sure, name, single), total in zip(
            values["speakers"], arrays["totals"], strict=True
        )
    ]
    speakers.next_number, speakers.different = values["next_number"], values["different"]
    speakers.seen = values["seen"]
    corrections.clustered = values["clustered"]
    corrections.numbers_clustered = set(values["numbers_clustered"])


def _save_voices(progress: Progress) -> tuple[Values, Arrays]:
    voices = progress.hops.voices
    rows = voices.rows
    known = [row.embedding for row in rows if row.embedding is not None]
    values = {
        "voices_first": voices.first,
        "cuts": voices.cuts,
        "voices": [[row.slot, row.begin, row.end, row.embedding is not None, *_known(row)] for row in rows],
    }
    arrays = {
        "active": np.array([row.active for row in rows]),
        "clean": np.array([row.clean for row in rows]),
        "embedding": np.array(known),
    }
    return values, arrays


def _known(voice: Voice) -> tuple[int | None, float, float, float, int]:
    return voice.speaker, voice.seconds, voice.certainty, voice.fresh, voice.tried


def _load_voices(progress: Progress, values: Values, arrays: Arrays) -> None:
    voices = progress.hops.voices
    voices.first, voices.cuts, voices.rows = values["voices_first"], values["cuts"], []
    embeddings = iter(arrays["embedding"])
    for row, (slot, begin, end, embedded, speaker, *numbers) in enumerate(values["voices"]):
        active, clean = arrays["active"][row], arrays["clean"][row]
        embedding = next(embeddings) if embedded else None
        voices.rows.append(Voice(slot, begin, end, active, clean, speaker, embedding, *numbers))
