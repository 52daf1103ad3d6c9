"""Voices whose embeddings change from session to session, more than people differ, in a few directions."""

import numpy as np

from tests.detect.observations_sample import DIMENSION, Conversation, unit

LOUD = 6  # directions


def session_voices(people: int, sessions: int, seed: int, loudness: float = 2.0) -> np.ndarray:
    """Return (people, sessions, D) unit vectors; `LOUD` coordinates tell the session, not the voice."""
    rng = np.random.default_rng([seed, 7])
    voices = np.repeat(unit(rng.standard_normal((people, 1, DIMENSION))), sessions, axis=1)
    rest = rng.standard_normal((people, sessions, DIMENSION)) * 0.3 / np.sqrt(DIMENSION)
    rest[..., :LOUD] = loudness * rng.standard_normal((people, sessions, LOUD)) / np.sqrt(LOUD)
    return unit(voices + rest + 0.05)


def monologue(voice: np.ndarray, seconds: float = 12.0) -> Conversation:
    return Conversation(seconds, voice[None], [(0.2, seconds - 0.2, 0)])


def archive(voices: np.ndarray, name: str = "person") -> dict[str, Conversation]:
    """Return a recording for each session of each person, in a folder a person."""
    return {
        f"{name}{who}/{number}.wav": monologue(voice)
        for who, sessions in enumerate(voices)
        for number, voice in enumerate(sessions)
    }
