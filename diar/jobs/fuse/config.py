"""Options of `diar fuse`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator

from diar.options.base import CommandConfig, option
from diar.options.keys import KEY_HELP
from diar.options.places import refuse_same_place
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share


class FuseConfig(CommandConfig):
    """Score fusion of two encoders: an extraction whose cosine is the weighted mean of theirs."""

    environment_prefix: ClassVar[str] = "DIAR_FUSE_"

    first: str = option(
        ..., "archive", "an output_dir of stage 1; everything but embeddings is taken from it"
    )
    second: str = option(..., "archive", "another, of the same recordings and options with another encoder")
    output_dir: str = option(..., "archive", "where the extraction that is made of both goes")
    weight: float = option(0.5, "archive", "of the first's cosine; the second's has the rest", gt=0, lt=1)
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "run", SHARE_HELP)

    @model_validator(mode="after")
    def _check_places(self) -> FuseConfig:
        refuse_same_place(self.output_dir, {"first": self.first, "second": self.second}, inside=True)
        return self
