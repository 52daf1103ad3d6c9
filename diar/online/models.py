"""The networks of live streams: opened once, used by all streams of a process."""

from __future__ import annotations

from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SEGMENTATION


class LiveModels:
    """Speaker encoder and segmentation network on one device."""

    @classmethod
    def open(
        cls,
        encoder: str = DEFAULT_ENCODER,
        segmentation: str = DEFAULT_SEGMENTATION,
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> LiveModels:
        """Open named weights or model directories, as the offline pipeline does.

        Raises:
            DiarError: they cannot be found, fetched or opened, or the device cannot be used so.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, str]:
        """Return name, sha256, device and precision of the networks."""
        raise NotImplementedError
