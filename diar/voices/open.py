"""Opening a synthesizer by name."""

from __future__ import annotations

from collections.abc import Sequence

from diar.models.weights.hub import resolve
from diar.voices.config import ESPEAK, is_server
from diar.voices.endpoint import SpeechEndpoint
from diar.voices.espeak import EspeakVoices
from diar.voices.kokoro import Kokoro
from diar.voices.synthesizer import SynthesisError, Synthesizer


def open_synthesizer(
    synthesizer: str, *, model: str = "tts-1", voices: Sequence[str] = (), threads: int = 1
) -> Synthesizer:
    """Open a synthesizer.

    Args:
        synthesizer: `espeak`; named weights (`kokoro-82m`) or a folder of such; or the http address of a
            server that speaks OpenAI's protocol, with /v1.
        model: the server's name of it.
        voices: the server's voices.
        threads: of the CPU, for Kokoro.

    Raises:
        HubError: the weights cannot be found or fetched.
        SynthesisError: a package is missing, or a server is given without its voices.
    """
    if synthesizer == ESPEAK:
        return EspeakVoices()
    if is_server(synthesizer):
        if not voices:
            raise SynthesisError(
                f"`synthesizer={synthesizer}`: a server does not tell its voices; name them by `voices`"
            )
        return SpeechEndpoint(synthesizer, model, voices)
    return Kokoro(resolve(synthesizer, "synthesizer"), threads)
