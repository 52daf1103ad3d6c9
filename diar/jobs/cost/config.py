"""Options of stage 1 as `diar plan` takes them."""

from __future__ import annotations

from diar.jobs.extract.config import ExtractConfig
from diar.options.base import option


class PlannedExtractConfig(ExtractConfig):
    """Stage 1 as it may run one day: no archive need be at hand, and nothing is written to the output."""

    input_dir: str = option(
        "", "archive", "as for extract; a sample of its audio is run, its hours are counted"
    )
    output_dir: str = option("", "archive", "as for extract; nothing is written there")
