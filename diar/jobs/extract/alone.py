"""A whole extraction in this process, which saves the start of workers where there is little audio."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist

from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.run import Rank, build_embedder
from diar.jobs.ranks.rendezvous import Agreement
from diar.store.layout import Layout


def run_alone(config: ExtractConfig) -> int:
    """Do the whole job as its only rank; return the exit code. Nothing is printed at the end.

    Raises:
        DiarError: what a user can mend.
    """
    return Rank(config, Agreement(dist.HashStore(), 0, 1), build_embedder, 0, 1, _tell_nothing).run()


def _tell_nothing(layout: Layout, statistics: dict[str, Any]) -> None:
    """Take the place of `print_summary`: stage 2 tells the rest."""
