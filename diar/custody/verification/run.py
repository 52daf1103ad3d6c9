"""`diar verify`: every output in a folder is looked at, with progress, and mended where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tqdm import tqdm

from diar.custody.places import Outputs, own_files
from diar.custody.verification.extraction import verify_extraction
from diar.custody.verification.findings import Findings
from diar.custody.verification.repair import repair_extraction, sweep_result
from diar.custody.verification.result import verify_result
from diar.outputs.remote_output import working_copy


def verify(place: str, *, embeddings_dir: str | None = None, repair: bool = False) -> list[Findings]:
    """Look at the outputs in a folder, extractions first.

    Args:
        place: output of stage 1 or 2.
        embeddings_dir: the output of stage 1 that a result is compared with; None = the one that it names.
        repair: set what is damaged to be done again, and remove what killed runs left.

    Raises:
        DiarError: there is no output; with `repair`, a run is writing there.
        OSError: a file cannot be read for another reason than its content.
    """
    outputs = Outputs.below([place])
    files = {one: own_files(one) for one in (*outputs.extractions, *outputs.results)}
    total = sum(size for own in files.values() for size in own.values())
    found = []
    with tqdm(desc="verify", total=total, unit="B", unit_scale=True, disable=None) as bar:
        for root in outputs.extractions:
            found.append(verify_extraction(root, bar.update, files[root]))
        for root in outputs.results:
            found.append(_verify_result(root, bar.update, embeddings_dir, files[root]))
    if repair:
        for one in found:
            (repair_extraction if one.what == "extraction" else sweep_result)(one)
    return found


def _verify_result(
    root: str, advance: Callable[[int], object], embeddings_dir: str | None, files: dict[str, int]
) -> Findings:
    """Look at an output of stage 2, which may be remote; what is found names it, not its copy."""
    with working_copy(root, change=False) as folder:
        found = verify_result(folder, advance, embeddings_dir, files)
    found.place = root
    for these in (found.problems, found.notes):
        these[:] = [replace(one, reason=one.reason.replace(folder, root)) for one in these]
    return found
