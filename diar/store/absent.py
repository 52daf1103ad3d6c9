"""What to say of a folder that is no output of stage 1: what it is instead, and what makes one."""

from __future__ import annotations

from diar import storage

# Files that only stage 2 writes; in its folders embeddings are looked for by mistake
_RESULTS = {"_detection", "speaker_boundary_detection_result.json", "recordings.csv", "turns.json"}
_NAMED = 3  # files


def no_extraction(folder: str) -> str:
    """Return why `folder` cannot be read as an output of stage 1, and how to get one."""
    problem, make = f"{folder} holds no embeddings of stage 1", "`diar extract` makes them from audio"
    if not storage.exists(folder):
        return f"{folder} does not exist; give the output_dir of `diar extract`, which holds embeddings"
    if not storage.is_dir(folder):
        return f"{folder} is a file; give the output_dir of `diar extract`, a folder that holds embeddings"
    names = storage.list_names(folder)
    if not names:
        return f"{problem}: it is empty; {make}"
    if _RESULTS & {*names}:
        return f"{problem}: it is a result of stage 2; give the folder that the result was made from"
    if "extraction_stats.json" in names:
        return f"{problem}: its folder _extraction is missing; copy it along, or extract again"
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return f"{problem}, it holds {shown}; {make}, and their folder is what is needed here"
