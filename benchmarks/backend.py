"""What a trained PLDA model brings: one command, two Markdown tables.

    python benchmarks/backend.py --shared ../shared --work WORK
    python benchmarks/backend.py --shared ../shared --work WORK --sets default default-tel-1 default-room-1

The model is trained (`diar train plda`) on LibriSpeech's utterances as they are, by telephone, in a room and
broadcast (`tools/degrade.py`), without the speakers of the sets. First table: equal error rate of pairs of
windows of other speakers, of different recordings, by the cosine of the encoder's vectors
and by the model. Second: DER in % (collar 0, overlap scored) of the sets by `diar detect`, with the default
clustering, and with VBx on the model.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import labelled_sets
import soundfile as sf
from labelled_sets import CLEAN, HELD_OUT, KINDS
from running import ROOT, call, detect, error_rate, extract

from diar.formats.rttm import read_turns

DEFAULT_SETS = ("default", "default-*-1", "AMI")
CLUSTERINGS = {"default": (), "VBx, PLDA": ("--clustering", "vbx", "--plda")}


def main() -> None:
    """Print the tables."""
    options = make_parser().parse_args(sys.argv[1:])
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        shared = options.shared.resolve()
        sets = [*CLEAN, *HELD_OUT, *labelled_sets.degraded_sets([*CLEAN, *HELD_OUT], (1, 2))]
        chosen = labelled_sets.choose(sets, options.sets)
        audio = [labelled_sets.prepare(one, shared, work) for one in chosen]
        plda = train(shared, work, speakers_of(audio), options.dimensions)
        print(f"\n| set | {' | '.join(CLUSTERINGS)} |\n{'|---' * (len(CLUSTERINGS) + 1)}|", flush=True)
        for one, folder in zip(chosen, audio, strict=True):
            found = work / "backend" / one.name
            extract(folder, found / "E")
            cells = [one.title, *(error(folder, found, name, plda) for name in CLUSTERINGS)]
            print(f"| {' | '.join(cells)} |", flush=True)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--work", type=Path, help="keep audio and embeddings here")
    parser.add_argument("--sets", nargs="*", default=list(DEFAULT_SETS), metavar="NAME")
    parser.add_argument(
        "--dimensions", type=int, nargs="+", default=[192, 128], help="the first one clusters"
    )
    return parser


def speakers_of(folders: list[Path]) -> set[str]:
    """Return the names of those who speak in the sets."""
    return {turn.speaker for folder in folders for turns in read_turns(folder).values() for turn in turns}


def train(shared: Path, work: Path, left_out: set[str], dimensions: list[int]) -> Path:
    """Train a model for each number of dimensions and print what each is worth; return the first."""
    embeddings = training_embeddings(shared, work)
    labels = work / "backend" / "speakers.csv"
    files = sorted((work / "backend" / "speech").rglob("*.wav"))
    labels.write_text(
        "".join(
            f"{file.parent.name}/{file.name},{file.parent.name}\n"
            for file in files
            if file.parent.name not in left_out
        )
    )
    print(
        "| dimensions | speakers | windows | EER, cosine, % | EER, PLDA, % |\n|---|---|---|---|---|",
        flush=True,
    )
    for number in dimensions:
        output = work / "backend" / f"plda-{number}.npz"
        given = ("--embeddings_dir", embeddings, "--output_file", output, "--speakers", labels)
        call("-m", "diar", "train", "plda", *given, "--dimensions", number)
        card = json.loads(output.with_suffix(".json").read_text())
        worth = card["speakers_not_trained_on"]
        rates = (worth["equal_error_rate_cosine"], worth["equal_error_rate_plda"])
        told = " | ".join(f"{100 * rate:.2f}" for rate in rates)
        print(f"| {number} | {card['speakers']} | {card['windows']} | {told} |", flush=True)
    return work / "backend" / f"plda-{dimensions[0]}.npz"


def training_embeddings(shared: Path, work: Path) -> Path:
    """Return stage 1's output of LibriSpeech in four conditions, a folder a speaker."""
    speech, plain = work / "backend" / "speech", work / "backend" / "plain"

    def copy(folder: Path) -> None:
        folder.mkdir(parents=True)
        for file in sorted((shared / "data" / "librispeech").glob("*/*.flac")):
            samples, rate = sf.read(file)
            sf.write(folder / f"{file.stem}.wav", samples, rate)
            (folder / f"{file.stem}.rttm").touch()  # degrade.py takes conversations

    def arrange(folder: Path) -> None:
        degraded = work / "backend" / "degraded"
        call(shared / "tools" / "degrade.py", plain, degraded, "--seed", 3)
        sources = {"clean": plain, **{kind: degraded / kind for kind in KINDS}}
        for kind, source in sources.items():
            for file in sorted(source.glob("*.wav")):
                place = folder / file.stem.split("-")[0]
                place.mkdir(parents=True, exist_ok=True)
                (place / f"{kind}-{file.name}").symlink_to(file.resolve())

    labelled_sets.make_once(plain, copy)
    labelled_sets.make_once(speech, arrange)
    extract(speech, work / "backend" / "E")
    return work / "backend" / "E"


def error(audio: Path, found: Path, clustering: str, plda: Path) -> str:
    """Return the DER of a set with one clustering."""
    options = CLUSTERINGS[clustering]
    given = (*options, plda) if options else ()
    result = found / clustering.replace(", ", "-")
    detect(found / "E", result, ("--task", "turns", "--no_plot", "--no_labels", "--no_link", *given))
    return f"{error_rate(audio, result):.1f}"


if __name__ == "__main__":
    main()
