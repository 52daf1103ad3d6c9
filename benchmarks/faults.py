"""What stage 1 survives: each fault injected into real runs, and what they leave beside an undisturbed run's.

    python benchmarks/faults.py [--trials 3] [--only kill,fifo] [--archive DIR] [-- options of stage 1]

Every fault is injected at least `--trials` times, each time at a random moment; then the same command runs
until it is done. `lost` counts recordings that are missing or differ at the end, `repeated` those that were
published twice (a watcher notes the inodes of what is published), `damage` what `diar verify` finds and what
is left behind. Kills of one output follow each other until it is done, ten at most. The last column is what
the disturbed run printed last. Faults of disks (a small file system in memory) and of machines (network and
process namespaces) need root.

Without `--archive`, speech-like noise is made, every fourth file an MP3; without options, the model is a very
small one of random weights, since the faults have nothing to do with the networks.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import soundfile as sf
import yaml
from fault_kinds import FAULTS, NEEDS_ROOT
from fault_trial import Trial, compare, count_damage
from folder_watcher import Watcher
from sample_audio import write_archive

from diar.store.reader import load_index

_COLUMNS = ("fault", "how", "injected", "lost", "repeated", "damage", "exit codes", "told")
_FILES, _SECONDS = 240, 4.0  # of the archive that is made
_TOLD = 160  # characters
_CODES = 6  # sequences of exit codes that are printed


@dataclass
class Row:
    """What became of the trials of one fault."""

    injected: int = 0
    lost: int = 0
    repeated: int = 0
    damage: int = 0
    codes: set[str] = field(default_factory=set)
    told: str = ""

    @property
    def bad(self) -> int:
        """What must not be."""
        return self.lost + self.repeated + self.damage

    def add(self, trial: Trial, whole: Path, repeated: int) -> None:
        """Add a trial that has ended."""
        self.injected += trial.injected
        self.lost += compare(whole, trial.out)
        self.damage += count_damage(trial.out)
        self.repeated += repeated
        self.codes.add("→".join(map(str, dict.fromkeys(trial.codes))))
        if not self.told or "TRACEBACK" in trial.told:
            self.told = trial.told

    def line(self, name: str, how: str) -> str:
        """Return the line of the table."""
        codes = ", ".join(sorted(self.codes)[:_CODES])
        figures = (name, how, self.injected, self.lost, self.repeated, self.damage, codes, self.told[:_TOLD])
        return f"| {' | '.join(str(figure).replace('|', '/') for figure in figures)} |"


def make_archive(folder: Path, given: Path | None) -> None:
    """Copy an archive, or make one; every fourth file becomes an MP3, which FFmpeg decodes."""
    if given is None:
        write_archive(folder / "audio", "wav", _SECONDS, _FILES, distinct=_FILES)
    else:
        shutil.copytree(given, folder / "audio")
    for file in sorted((folder / "audio").rglob("*.wav"))[::4]:
        samples, rate = sf.read(file)
        sf.write(file.with_suffix(".mp3"), samples, rate)
        file.unlink()


def small_model(folder: Path) -> list[str]:
    """Write a very small CAM++ of random weights; return the options that choose it."""
    import torch

    from diar.models.encoders.campplus import CAMPPlus

    torch.manual_seed(0)
    folder.mkdir()
    arguments = {"feat_dim": 16, "embed_dim": 16, "growth_rate": 4, "init_channels": 16}
    torch.save(CAMPPlus(**arguments).state_dict(), folder / "avg_model.pt")
    front_end = {"resample_rate": 16000, "fbank_args": {"num_mel_bins": 16}}
    content = {"model": "CAMPPlus", "model_args": arguments, "dataset_args": front_end}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return ["--model_dir", str(folder), "--segmentation", "none", "--workers", "2"]


def inject(name: str, work: Path, whole: Path, options: list[str], trials: int, seed: int) -> Row:
    """Inject one fault `trials` times or more."""
    row, number = Row(), 0
    room = sum(file.stat().st_blocks * 512 for file in whole.rglob("*")) // 2
    while row.injected < trials and number < trials:
        folder = work / f"{name}_{number}"
        shutil.copytree(work / "audio", folder / "audio", copy_function=os.link)
        moments = random.Random(seed + 100 * number)
        trial = Trial(folder / "audio", folder / "E", options, moments, room)
        with Watcher(folder / "E", ["**/*.parquet"]) as watcher:
            FAULTS[name][1](trial)
        row.add(trial, whole, watcher.twice())
        shutil.rmtree(folder)
        number += 1
    return row


def main() -> None:
    """Run the faults; print the table; fail if anything was lost, repeated or left damaged."""
    given = parse()
    wanted = tuple(filter(None, given.only.split(",")))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        make_archive(work, given.archive)
        options = given.options or small_model(work / "model")
        whole = Trial(work / "audio", work / "whole", options, random.Random(0))
        whole.finish()
        count = len(load_index(str(whole.out)))
        print(f"undisturbed: {count} recordings, exit code {whole.codes[-1]}\n")
        print(f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|", flush=True)
        bad = 0
        for number, (name, (how, _)) in enumerate(FAULTS.items()):
            if wanted and not name.startswith(wanted):
                continue
            if name in NEEDS_ROOT and os.geteuid() != 0:
                print(f"| {name} | {how} | 0 | | | | | needs root |")
                continue
            row = inject(name, work, whole.out, options, given.trials, 1000 * given.seed + number)
            print(row.line(name, how), flush=True)
            bad += row.bad
        sys.exit(f"{bad} lost, repeated or damaged" if bad else 0)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archive", type=Path, help="folder of audio [made]")
    parser.add_argument("--trials", type=int, default=3, help="of each fault at least [3]")
    parser.add_argument("--only", default="", help=f"beginnings of faults' names, of {', '.join(FAULTS)}")
    parser.add_argument("--seed", type=int, default=1, help="of the moments [1]")
    parser.add_argument("options", nargs="*", help="of stage 1, after --")
    return parser.parse_args()


if __name__ == "__main__":
    main()
