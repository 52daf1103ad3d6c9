"""What decides the boundaries between files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from diar.detect.backend.back_end import BackEnd


@dataclass(frozen=True)
class BoundarySettings:
    """Options of the methods that find segments, link them and look for odd files.

    Attributes:
        segment_size: files a speaker recorded in a row, about; auto = found in the data.
        boundary_window: files around an expected boundary in which it is looked for.
        use_gmm: model both sides by Gaussian mixtures instead of cosine; needs a segment_size.
        gmm_components: Gaussians a side.
        penalty: auto: gain that one more boundary must bring; None = from the data.
        min_segment: auto: fewest files in a row that make a segment.
        link: one speaker, one name across segments.
        link_threshold: cosine above which two segments are one speaker; None = from the data.
        odd_threshold: probability above which a file is one of another voice.
        back_end: what tells whether two segments are of one speaker; None = the cosine of their centres.
    """

    segment_size: int | Literal["auto"] = "auto"
    boundary_window: int = 10
    use_gmm: bool = False
    gmm_components: int = 2
    penalty: float | None = None
    min_segment: int = 4
    link: bool = True
    link_threshold: float | None = None
    odd_threshold: float = 0.5
    back_end: BackEnd | None = None

    @property
    def usable_window(self) -> int:
        """`boundary_window`, but at most half a segment, so that neighbouring windows do not overlap."""
        if self.segment_size == "auto":
            return self.boundary_window
        return min(self.boundary_window, self.segment_size // 2)
