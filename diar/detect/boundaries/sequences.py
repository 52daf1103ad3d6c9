"""The recordings of an archive as the sequences in which boundaries are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np

from diar.detect.backend.compared import Compared
from diar.detect.backend.norm import ScoreNorm
from diar.detect.boundaries.scatter import gain, robust_center


@dataclass(frozen=True)
class Sequences:
    """Usable files, sequence after sequence; `order[k]` is the k-th file's place in the index."""

    order: np.ndarray  # (n,) all files, also unusable ones
    used: np.ndarray  # (m,) positions in `order` of the files with an embedding
    names: list[str]  # folder of each sequence, "" for the whole archive
    starts: np.ndarray  # (s,) first usable file of each sequence, counted among the usable ones


def split_archive(recording_ids: list[str], usable: np.ndarray, by_folder: bool) -> Sequences:
    """Make one sequence of all files, or one of each folder in the order of first appearance.

    Args:
        recording_ids: in archive order.
        usable: (n,) bool, whether the recording has an embedding.
        by_folder: whether each folder is a sequence of its own.
    """
    if not by_folder:
        return Sequences(np.arange(len(usable)), np.flatnonzero(usable), [""], np.zeros(1, dtype=np.int64))
    names: dict[str, int] = {}
    folders = [names.setdefault(PurePosixPath(name).parent.as_posix(), len(names)) for name in recording_ids]
    folder_of = np.array(folders)
    order = np.argsort(folder_of, kind="stable")
    used = np.flatnonzero(usable[order])
    present, starts = np.unique(folder_of[order][used], return_index=True)
    all_names = list(names)
    return Sequences(order, used, [all_names[i] for i in present], starts)


class Segments:
    """Segments of all sequences, with their robust centres: `starts` in the (n, D) usable `embeddings`.

    Centres of segments that are also in `like` are not computed again. `voices` are the same segments of the
    vectors `compared` (n, E), by which a back end tells speakers apart, with its `norm` of cosines; without
    any, themselves.
    """

    def __init__(
        self,
        embeddings: np.ndarray,
        starts: np.ndarray,
        like: Segments | None = None,
        compared: np.ndarray | None = None,
        norm: ScoreNorm | None = None,
    ) -> None:
        self.voices: Segments = self
        self.norm = norm if compared is None else None
        if compared is not None:
            self.voices = Segments(compared, starts, None if like is None else like.voices, norm=norm)
        self.embeddings = embeddings
        self.starts = starts
        self.ends = np.append(starts[1:], len(embeddings))
        self.parts = [embeddings[a:b] for a, b in zip(starts, self.ends, strict=True)]
        known: dict[tuple[int, int], np.ndarray] = (
            {} if like is None else dict(zip(like.spans, like.centers, strict=True))
        )
        centers = [
            known[span] if span in known else robust_center(part)
            for span, part in zip(self.spans, self.parts, strict=True)
        ]
        self.centers: np.ndarray = np.stack(centers)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and one past the last file of each segment."""
        return list(zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    @property
    def counts(self) -> np.ndarray:
        """Files in each segment."""
        return self.ends - self.starts

    @cached_property
    def compared_centers(self) -> Compared:
        """The centres as they are compared."""
        return Compared.of(self.centers, self.norm)

    def neighbor_cosines(self, inside: np.ndarray) -> np.ndarray:
        """Return the cosine of the centres on both sides of the starts at positions `inside`."""
        return self.compared_centers[inside - 1].pairs(self.compared_centers[inside])

    @cached_property
    def gains(self) -> np.ndarray:
        """(m,) scatter that the cut at each start removes; of the first one 0."""
        return np.array([0.0, *(gain(left, right) for left, right in pairwise(self.parts))])
