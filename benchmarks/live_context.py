"""How much audio around a second the trunk needs: one command, one Markdown table.

    python benchmarks/live_context.py --shared ../shared

Of each AMI excerpt of 30 s, every third second is embedded from the frames of the whole excerpt, and from
the frames of that second with some context on both sides, or before it only, as a live stream has it. The
cosine of both, over all seconds: lowest tenth, median.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from running import ROOT

from diar.models.features import cmn
from diar.models.inference import Trunk
from diar.models.open import open_encoder

CONTEXTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds
_RATE, _STRIDE = 16_000, 320  # Hz; samples from one trunk frame to the next


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--files", type=int, default=4, help="excerpts")
    options = parser.parse_args(sys.argv[1:])
    model = open_encoder()
    trunk = Trunk(model.encoder, model.fbank.num_mel_bins)
    fbank = model.fbank.front_end()

    @torch.inference_mode()
    def embed(samples: np.ndarray, begin: int) -> np.ndarray:
        """Return the embedding of the second that begins at sample `begin`."""
        frames = trunk(cmn(fbank(torch.from_numpy(samples)[None])))
        mask = torch.zeros(1, 1, frames.shape[-1])
        mask[..., begin // _STRIDE : (begin + _RATE) // _STRIDE] = 1
        vector = model.encoder.pool(frames, mask)[0, 0].numpy()
        return np.asarray(vector / np.linalg.norm(vector))

    cosines: dict[tuple[str, float], list[float]] = {}
    for file in sorted((options.shared / "data" / "ami").glob("*.wav"))[3 : 3 + options.files]:
        samples = sf.read(file, dtype="float32")[0]
        for second in range(9, 21, 3):
            begin = second * _RATE
            whole = embed(samples, begin)
            for context in CONTEXTS:
                before = round(context * _RATE)
                for sides, after in (("both sides", before), ("before only", 0)):
                    part = samples[begin - before : begin + _RATE + after]
                    cosines.setdefault((sides, context), []).append(float(embed(part, before) @ whole))
    print("| context, s | both sides | before only |\n|---|---|---|")
    for context in CONTEXTS:
        cells = (np.quantile(cosines[sides, context], [0.1, 0.5]) for sides in ("both sides", "before only"))
        print(f"| {context:g} | {' | '.join(f'{low:.3f}, {median:.3f}' for low, median in cells)} |")


if __name__ == "__main__":
    main()
