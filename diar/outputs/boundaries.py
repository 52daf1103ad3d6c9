"""The outputs of `task=files`: speaker folders, tables, plot and result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from diar.errors import DiarError
from diar.formats import boundaries_table
from diar.formats.boundaries_table import BOUNDARIES_NAME
from diar.formats.files_table import FILES_NAME, FileTable, to_csv
from diar.formats.manifests import ListedRecording
from diar.formats.result_json import RESULT_NAME, DetectionResult, to_json
from diar.outputs.folders import Placement, place_files, plan_folders
from diar.outputs.managed_directory import Entry, OutputDirectory
from diar.outputs.manifests import ManifestKind, Manifests

PLOT_NAME = "boundary_detection_visualization.png"
DEBUG_NAME = "_detection/debug.json"


def write_results(
    output_dir: str,
    result: DetectionResult,
    table: FileTable,
    placement: Placement,
    *,
    plot: bool,
    debug: list[dict[str, Any]] | None,
    manifests: Sequence[ManifestKind] = (),
    listed: Iterable[ListedRecording] = (),
) -> None:
    """Write speaker folders, tables, plot, manifests of `listed` and, last, the JSON.

    Raises:
        OutputError: something is in the way or cannot be placed.
    """
    output = OutputDirectory(output_dir)
    files = {FILES_NAME: to_csv(table).encode()}
    files[BOUNDARIES_NAME] = boundaries_table.to_csv(result).encode()
    if debug is not None:
        files[DEBUG_NAME] = json.dumps(debug, ensure_ascii=False, indent=1).encode()
    if plot:
        from diar.plots.boundaries import draw_boundaries  # with Matplotlib

        files[PLOT_NAME] = draw_boundaries(result, table)
    files[RESULT_NAME] = to_json(result).encode(errors="backslashreplace")  # a path need not be UTF-8
    planned = plan_folders(table, placement)
    entries = [*(entry for entry, _ in planned), *(Entry("file", name) for name in files)]
    is_new = not output.root.exists()
    try:
        output.replace([*entries, *Manifests.entries("files", manifests)])
        place_files(output, planned)
        with Manifests(output, "files", manifests) as written:
            for one in listed:
                written.add(one)
        for name, data in files.items():
            output.write(name, data)
    except (DiarError, OSError):
        if is_new:
            output.clear()  # nothing of a first run is left behind; what a later one finds stays
        raise
