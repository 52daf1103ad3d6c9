#!/usr/bin/env python3
"""What encryption at rest costs, and what each error with keys says.

Tracks of an output of stage 1 are written and read in turn, plain and with a key: CPU seconds and bytes.
Then an encrypted file is read with no key, another key, and after a bit was flipped; a plain one with a key.

python benchmarks/encryption.py E [--rounds 5]
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from checksums import Content, least_cpu, read, read_contents

from diar.errors import DiarError
from diar.options.keys import keys_from

FORMS = ("plain", "encrypted")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("extraction", type=Path, help="output of stage 1; it is only read")
    parser.add_argument("--rounds", type=int, default=5, help="of writing and reading all tracks")
    options = parser.parse_args()
    tracks = read_contents(str(options.extraction))["tracks"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("key", "another"):
            (place / name).write_text(secrets.token_hex(32))
        print_costs(tracks, options.rounds, place)
        print()
        print_errors(place)


def with_key(place: Path, name: str | None) -> AbstractContextManager[object]:
    """Return what makes a key known, none for None."""
    return nullcontext() if name is None else keys_from(f"file:{place / name}")


def print_costs(tracks: list[Content], rounds: int, place: Path) -> None:
    """Print CPU milliseconds and bytes of a file of tracks."""
    files = {form: [place / f"{form} {i}" for i in range(len(tracks))] for form in FORMS}
    keys = {"plain": None, "encrypted": "key"}

    def write(form: str) -> None:
        with with_key(place, keys[form]):
            for content, file in zip(tracks, files[form], strict=True):
                content.write("sealed", file)

    def read_all(form: str) -> None:
        with with_key(place, keys[form]):
            for file in files[form]:
                read(file)

    steps: dict[tuple[str, str], Callable[[], None]] = {}
    for form in FORMS:
        steps["write", form] = lambda form=form: write(form)  # type: ignore[misc]
        steps["read", form] = lambda form=form: read_all(form)  # type: ignore[misc]
    seconds = least_cpu(steps, rounds)
    print(f"| {len(tracks):,} files of tracks | {' | '.join(FORMS)} |\n|---|---|---|")
    for step in ("write", "read"):
        figures = " | ".join(f"{1000 * seconds[step, form] / len(tracks):.2f}" for form in FORMS)
        print(f"| {step}, ms CPU a file | {figures} |")
    sizes = (sum(file.stat().st_size for file in files[form]) / len(tracks) for form in FORMS)
    print(f"| bytes a file | {' | '.join(f'{size:,.0f}' for size in sizes)} |")


def print_errors(place: Path) -> None:
    """Print what is said where a key is missing or another one, and where a file was changed."""
    whole = place / "encrypted 0"
    data = bytearray(whole.read_bytes())
    data[len(data) // 2] ^= 1
    (place / "changed").write_bytes(data)
    cases = {
        "encrypted, no key": (whole, None),
        "encrypted, another key": (whole, "another"),
        "encrypted, one bit flipped": (place / "changed", "key"),
        "plain, with a key": (place / "plain 0", "key"),
    }
    print("| case | said |\n|---|---|")
    for name, (file, key) in cases.items():
        try:
            with with_key(place, key):
                read(file)
            said = "read"
        except DiarError as error:
            said = str(error).replace(f"{place}/", "").replace("|", "/")
        print(f"| {name} | {said} |")


if __name__ == "__main__":
    main()
