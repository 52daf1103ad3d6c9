"""diar: who spoke, in an archive too large to listen to.

Nothing is loaded before it is used: `import diar` takes milliseconds, `diar.embed` loads PyTorch.

>>> import diar
>>> diar.embed("a.wav").vector.shape
(192,)
>>> [turn.speaker for turn in diar.diarize("meeting.wav").turns[:1]]
['speaker_0001']
>>> len(diar.Archive("embeddings").vectors)
4
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diar.api.archive import Archive as Archive
    from diar.api.diarization import Diarization as Diarization
    from diar.api.diarization import Speaker as Speaker
    from diar.api.diarize import diarize as diarize
    from diar.api.encoder import Encoder as Encoder
    from diar.api.encoder import Segmentation as Segmentation
    from diar.api.encoder import open_encoder as open_encoder
    from diar.api.encoder import open_segmentation as open_segmentation
    from diar.api.errors import ArgumentError as ArgumentError
    from diar.api.errors import AudioError as AudioError
    from diar.api.transcribe import open_recogniser as open_recogniser
    from diar.api.transcribe import transcribe as transcribe
    from diar.api.transcript import Transcript as Transcript
    from diar.api.voice import Similarity as Similarity
    from diar.api.voice import Voice as Voice
    from diar.api.voice import embed as embed
    from diar.api.voice import similarity as similarity
    from diar.errors import DiarError as DiarError
    from diar.records import Turn as Turn
    from diar.records import Word as Word

__version__ = "0.1.0"

_HOMES = {
    "Archive": "diar.api.archive",
    "ArgumentError": "diar.api.errors",
    "AudioError": "diar.api.errors",
    "DiarError": "diar.errors",
    "Diarization": "diar.api.diarization",
    "Encoder": "diar.api.encoder",
    "Segmentation": "diar.api.encoder",
    "Similarity": "diar.api.voice",
    "Speaker": "diar.api.diarization",
    "Transcript": "diar.api.transcript",
    "Turn": "diar.records",
    "Voice": "diar.api.voice",
    "Word": "diar.records",
    "diarize": "diar.api.diarize",
    "embed": "diar.api.voice",
    "open_encoder": "diar.api.encoder",
    "open_recogniser": "diar.api.transcribe",
    "open_segmentation": "diar.api.encoder",
    "similarity": "diar.api.voice",
    "transcribe": "diar.api.transcribe",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Load what the face offers when it is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'diar' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
