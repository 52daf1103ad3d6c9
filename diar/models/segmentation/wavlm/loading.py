"""Parameters of a checkpoint, and the network that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from diar.models.encoders.base import ModelError
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.wavlm.names import Rules, from_checkpoint, present_names, to_checkpoint
from diar.models.segmentation.wavlm.network import WavLMConformer
from diar.models.segmentation.wavlm.settings import WavLMConformerSettings
from diar.models.weights.checkpoint import check_fit
from diar.models.weights.checksum import file_sha256
from diar.models.weights.empty import WithoutInitialValues


def load(
    given: Mapping[str, Tensor],
    settings: WavLMConformerSettings,
    rules: Rules,
    file: Path,
    described: str,
    name: str,
    terms: str,
) -> SegmentationModel:
    """Return the network with the parameters of a checkpoint.

    Args:
        given: by the checkpoint's names.
        settings: of the network.
        rules: from our names to the checkpoint's.
        file: the checkpoint.
        described: where the settings come from.
        name: of the model.
        terms: what users must know of the licence of such weights.

    Raises:
        ModelError: the parameters do not fit; names the first that do not as the checkpoint does.
    """
    given = present_names(given)
    try:
        with WithoutInitialValues():
            network = WavLMConformer(settings)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{file.parent}: no network can be built as {described} says: {error}") from error
    own = network.state_dict()
    remedy = f"Take weights and {described} from the same model"
    check_fit(to_checkpoint(own, rules), given, file, remedy, described)
    network.load_state_dict(from_checkpoint(given, own, rules))
    network.eval().requires_grad_(False)
    return SegmentationModel(name, network, settings, file_sha256(file), terms=terms)
