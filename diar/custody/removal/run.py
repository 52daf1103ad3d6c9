"""`diar purge`: find, note, remove, search, forget. The same command goes on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from tqdm import tqdm

from diar import storage
from diar.custody.exclusive import as_private_as, kept_out, kept_out_of_result
from diar.custody.files import all_files, is_temporary
from diar.custody.places import Outputs
from diar.custody.removal.extraction import purge_extraction
from diar.custody.removal.result import purge_result
from diar.custody.removal.search import Left, search
from diar.custody.removal.targets import Asked, Targets, collect_traces, find_targets, tombstones
from diar.custody.removal.text import Mentions
from diar.custody.removal.tombstone import Tombstone, journal_of
from diar.options.sharing import umask
from diar.outputs.remote_output import working_copy
from diar.outputs.turns import RECORDINGS_NAME
from diar.store.layout import Layout


@dataclass(frozen=True)
class Purged:
    """What was removed, or would be.

    Attributes:
        targets: the recordings.
        outputs: that were searched.
        left: what the search found; None where nothing was removed.
    """

    targets: Targets
    outputs: Outputs
    left: list[Left] | None

    def record(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "recordings": sorted(self.targets.ids),
            "outputs": [*self.outputs.extractions, *self.outputs.results],
            "age_unknown": self.targets.without_time,
            "removed": self.left is not None,
            "left": [asdict(one) for one in self.left or ()],
        }


def purge(places: Sequence[str], asked: Asked, *, dry_run: bool = False) -> Purged:
    """Remove recordings from outputs, search what is left, and keep them from coming back.

    Args:
        places: outputs of stage 1 and 2.
        asked: what is to go.
        dry_run: only find it.

    Raises:
        DiarError: nothing was removed: an id that no output holds, a run that is writing, a damaged file.
        OSError: an output cannot be written to.
    """
    outputs = Outputs.below(places)
    with ExitStack() as locks:
        if not dry_run:
            for root in outputs.extractions:
                locks.enter_context(kept_out(root))
            for root in outputs.results:
                locks.enter_context(kept_out_of_result(root))
        with ExitStack() as copies:
            folders = [copies.enter_context(working_copy(one, change=not dry_run)) for one in outputs.results]
            here = replace(outputs, results=folders)
            targets = find_targets(here, asked)
            if dry_run or not targets.ids:
                return Purged(targets, outputs, None if dry_run else [])
            _sweep(here)
            collect_traces(here, targets)
            _announce(outputs, targets)
            for folder in tqdm(folders, "purge results", disable=None):
                with as_private_as(storage.join(folder, RECORDINGS_NAME)):
                    purge_result(folder, targets.ids, targets.paths, targets.people)
        mentions = Mentions(targets.ids, targets.paths)
        for root in tqdm(outputs.extractions, "purge extractions", disable=None):
            with as_private_as(Layout(root).config):
                purge_extraction(root, targets.ids, mentions)
        places = [*outputs.extractions, *outputs.results]
        left = [one for root in tqdm(places, "search", disable=None) for one in search(root, targets)]
        for tombstone in tombstones(outputs):
            storage.remove(journal_of(tombstone))
        return Purged(targets, outputs, left)


def _sweep(outputs: Outputs) -> None:
    """Remove what killed runs and purges had half written, whose content nobody knows.

    Whoever else writes there is kept out.
    """
    for root in (*outputs.extractions, *outputs.results):
        for where in filter(is_temporary, all_files(root)):
            storage.remove(storage.join(root, where))


def _announce(outputs: Outputs, targets: Targets) -> None:
    """Write what is to go into every output before anything is removed: a kill loses nothing of it."""
    with umask(0o077):
        for tombstone in tombstones(outputs):
            targets.journal().write(tombstone)
            Tombstone.read(tombstone).write(tombstone, targets.ids)
