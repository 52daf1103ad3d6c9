"""Without linking: every speaker of every recording is a person of their own."""

from __future__ import annotations

import numpy as np

from diar.detect.linking.evidence import CAMPPLUS
from diar.detect.linking.known import SPEAKER_NAME
from diar.detect.linking.link import LinkedSpeakers


def keep_apart(embedding: np.ndarray) -> LinkedSpeakers:
    """Make n people of (n, D) recording-level speakers."""
    count = len(embedding)
    ids = [SPEAKER_NAME.format(i + 1) for i in range(count)]
    return LinkedSpeakers(
        label=np.arange(count),
        speaker_id=ids,
        name=ids,
        known=np.zeros(count, bool),
        centroid=embedding,
        similarity=np.full(count, np.nan, np.float32),
        probability=np.full(count, np.nan, np.float32),
        threshold=float("nan"),
        evidence=CAMPPLUS,
    )
