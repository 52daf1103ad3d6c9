"""What only a GPU can show: tables, and one JSON file, each row written as soon as it is measured.

    python benchmarks/gpu.py --json gpu.json
    python benchmarks/gpu.py --budget 300 --audio meetings --labelled ../shared/data/ami --models campplus
    python benchmarks/gpu.py --device cpu --small          # the same code, some seconds on a laptop

1. networks: the parts of a forward pass, and each encoder in each precision (the default one with its
   weights, the others with random ones): × real time with the batch that 6 GB hold, peak memory, and how far
   the result is from fp32 (least cosine of embeddings, mean difference of probabilities).
2. stage 1: the real command, by kind of file, precision and number of workers: × real time, seconds by step,
   what it is bound by, peak memory, share of the time that the GPU was busy.
3. labelled (with --labelled): DER of the default encoder in each precision.

`--budget SECONDS` ends cleanly: what no longer fits is left out, and named.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from gpu_rows import DEFAULT, Row
from sample_audio import SUFFIXES

PRECISIONS = {"cuda": ("fp32", "tf32", "mixed", "bf16", "fp16"), "cpu": ("fp32", "mixed", "bf16")}
TABLES = ("networks", "stage 1", "labelled")


class Report:
    """Tables that grow row by row, on the screen and in a JSON file.

    Args:
        facts: of the machine.
        file: for JSON, rewritten with every row; None = none.
        budget: seconds from now.
    """

    def __init__(self, facts: Row, file: Path | None, budget: float) -> None:
        self._content: dict[str, Any] = dict(facts)
        self._file = file
        self._end = time.monotonic() + budget
        self._columns: list[str] = []

    @property
    def seconds_left(self) -> float:
        """Return the seconds that the budget still has."""
        return self._end - time.monotonic()

    def add(self, table: str, row: Row) -> None:
        """Print a row and write all rows."""
        self._content.setdefault(table, []).append(row)
        if list(row) != self._columns:
            self._columns = list(row)
            print(f"\n{table}\n\n| " + " | ".join(row) + " |\n|" + "---|" * len(row))
        print("| " + " | ".join(map(str, row.values())) + " |", flush=True)
        self._write()

    def leave_out(self, what: str) -> None:
        """Say that the budget has no room for something."""
        self._content.setdefault("left out", []).append(what)
        print(f"left out, no time: {what}", flush=True)
        self._write()

    def _write(self) -> None:
        if self._file is not None:
            self._file.write_text(json.dumps(self._content, indent=2))


def main() -> None:
    """Print the tables."""
    options = parse()
    device = torch.device(options.device, 0) if options.device == "cuda" else torch.device("cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}")
    report = Report({"device": name, "torch": torch.__version__}, options.json, options.budget)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if "networks" in options.tables:
            from gpu_networks import network_rows

            network_rows(report, options, device, work)
        if "stage 1" in options.tables:
            from gpu_stage import stage_rows

            stage_rows(report, options, work)
        if "labelled" in options.tables and options.labelled is not None:
            from gpu_stage import error_rows

            error_rows(report, options, work)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--budget", type=float, default=3600.0, help="seconds for all of it")
    parser.add_argument(
        "--models", nargs="+", default=[DEFAULT, "ResNet34", "ResNet293", "SimAM_ResNet100_ASP"]
    )
    parser.add_argument(
        "--compiled", action="store_true", help="measure torch.compile's trunk of the first, too"
    )
    parser.add_argument("--model_dir", type=Path, help=f"of {DEFAULT}; default: the named weights")
    parser.add_argument("--segmentation", default="segmentation-3.0", help="named weights or directory")
    parser.add_argument("--second_segmentation", default="segmentation-2022.07", help="likewise")
    parser.add_argument("--precisions", nargs="+", help="default: all that the device has")
    parser.add_argument("--audio", type=Path, help="folder of speech to repeat; default: noise like speech")
    parser.add_argument("--kinds", nargs="+", choices=SUFFIXES, default=list(SUFFIXES))
    parser.add_argument("--hours", type=float, default=100.0, help="of audio for stage 1 from each kind")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes on the one GPU")
    parser.add_argument("--labelled", type=Path, help="folder of audio with RTTM files, for DER")
    parser.add_argument("--small", action="store_true", help="little audio: to see that it runs")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    options.precisions = options.precisions or PRECISIONS[options.device]
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no usable GPU; --device cpu --small shows that everything runs")
    return options


if __name__ == "__main__":
    main()
