"""The last step of stage 2: one look at all of it."""

from __future__ import annotations

from collections.abc import Iterable


def page_line(output_dir: str, warnings: Iterable[str] = ()) -> str:
    """Write `index.html`; return the line that says where it is, or why there is none.

    An `index.html` of somebody else does not make a run fail whose results are complete.

    Raises:
        OSError: the folder cannot be written to.
    """
    from diar.outputs.managed_directory import OutputError
    from diar.outputs.page.write import write_page

    try:
        return f"one look at the result: {write_page(output_dir, warnings)}"
    except OutputError as error:
        return f"warning: no page was written: {error}"
