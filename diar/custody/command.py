"""`diar verify` and `diar purge`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from diar.custody.config import PurgeConfig, RekeyConfig, VerifyConfig
from diar.errors import EXIT_FAILURES, EXIT_OK
from diar.options.base import CommandConfig
from diar.options.command import run_command
from diar.options.keys import keys_from
from diar.wording import counted

if TYPE_CHECKING:
    from diar.custody.removal.run import Purged
    from diar.custody.verification.findings import Findings

_NONE_LEFT = "no id, path or vector of them was found in what is left"

VERIFY_DESCRIPTION = """\
Look at every file of an output: checksums, plan against indices, indices against tracks, values, words,
turns against tables, stage 2 against stage 1, what killed runs left. Nothing is changed without --repair."""

VERIFY_EPILOG = """\
It prints a line for each finding: kind, file, recording, reason, with tabs between. `damaged`, `missing`,
`wrong` and `duplicate` are damage; `unfinished`, `leftover`, `orphan`, `foreign` and `unsealed` are notes.

examples:
  {prog} E
  {prog} R --embeddings_dir E
  {prog} E --repair && diar extract --input_dir /archive --output_dir E
  {prog} E --json

exit codes: 0 clean; 3 damage found, repaired or not; 2 an error, such as no output there."""

PURGE_DESCRIPTION = """\
Remove recordings from outputs of stage 1 and 2: tracks, indices, plan, words, turns, tables, pages, pictures,
copies of and links to audio. What is left is then searched for their ids, paths and vectors. Name all outputs
that hold them. The audio itself stays where it is; later runs of stage 1 and 2 leave these recordings out."""

PURGE_EPILOG = """\
A person goes with every recording in which they speak: voices overlap, and recordings have vectors of their
own. --dry_run lists which these are. A purge that was interrupted goes on with the same command.

examples:
  {prog} E R --recording dataset1/talk.wav --dry_run
  {prog} E R --recording dataset1/talk.wav dataset2/call.wav
  {prog} E R --person anna
  {prog} E R --older_than 90d

exit codes: 0 removed, nothing is left; 3 something is left, and listed; 2 an error, nothing was removed."""


REKEY_DESCRIPTION = """\
Encrypt outputs with another master key. All files are written again under new keys of their own; their names
stay. Interrupted, the same command goes on; until then, both keys are needed."""

REKEY_EPILOG = """\
examples:
  {prog} E --old_key file:/keys/2025 --new_key file:/keys/2026
  {prog} E R --old_key env:OLD --new_key 'command:vault kv get -field=key secret/diar'

exit codes: 0 done; 2 an error, such as a key that does not fit."""


def _rekey(config: RekeyConfig) -> int:
    from diar.custody.rekey import rekey as change

    with keys_from(config.new_key, config.old_key):
        count = change(config.place)
    print(f"{counted(count, 'file')} written again; only the new key reads them")
    return EXIT_OK


def _verify(config: VerifyConfig) -> int:
    from diar.custody.verification.run import verify as look

    found = look(config.place, embeddings_dir=config.embeddings_dir, repair=config.repair)
    clean = not any(one.problems for one in found)
    if config.as_json:
        outputs = [one.record() for one in found]
        print(json.dumps({"clean": clean, "outputs": outputs}, ensure_ascii=False, indent=1))
    else:
        for one in found:
            _tell(one)
    return EXIT_OK if clean else EXIT_FAILURES


def _tell(found: Findings) -> None:
    counts = ", ".join(
        f"{number:,} {name.replace('_', ' ')}" for name, number in found.counts.items() if number
    )
    print(f"{_plain(found.place)} ({found.what}): {counts}")
    for one in (*found.problems, *found.notes):
        shown = (one.kind, one.where, one.recording_id or "", one.reason)
        print("\t".join(map(_plain, shown)))
    for line in found.repaired:
        print(f"repaired\t{_plain(line)}")
    print(f"{counted(len(found.problems), 'problem')}" if found.problems else "clean")


def _plain(text: str) -> str:
    """Return text without characters that would move the cursor of a terminal, or end a field."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _purge(config: PurgeConfig) -> int:
    from diar.custody.removal.run import purge as remove
    from diar.custody.removal.targets import Asked

    asked = Asked(set(config.recording), set(config.person), config.seconds)
    done = remove(config.place, asked, dry_run=config.dry_run)
    if config.as_json:
        print(json.dumps(done.record(), ensure_ascii=False, indent=1))
    else:
        _tell_purged(done)
    return EXIT_FAILURES if done.left else EXIT_OK


def _tell_purged(done: Purged) -> None:
    """Say what went; ids only where nothing was removed yet, as this text may be kept."""
    count = counted(len(done.targets.ids), "recording")
    places = counted(len(done.outputs.extractions) + len(done.outputs.results), "output")
    if done.targets.without_time:
        unknown = counted(done.targets.without_time, "recording")
        print(f"the age of {unknown} is not known: no time of the audio was listed")
    if done.left is None:
        for one in sorted(done.targets.ids):
            print(_plain(one))
        print(f"{count} would go from {places}")
    elif not done.targets.ids:
        print("no recording is to go")
    else:
        for left in done.left:
            print("\t".join(map(_plain, ("left", f"{left.place}/{left.where}", left.what))))
        print(
            f"{count} removed from {places}; "
            + (f"{len(done.left):,} traces are left" if done.left else _NONE_LEFT)
        )


ConfigT = TypeVar("ConfigT", bound=CommandConfig)


class _Command(Generic[ConfigT]):
    """A command: called with its arguments, it returns the exit code."""

    def __init__(
        self, name: str, run: Callable[[ConfigT], int], config: type[ConfigT], description: str, epilog: str
    ) -> None:
        self._name, self._run, self._config = name, run, config
        self._description, self._epilog = description, epilog

    def __call__(self, arguments: Sequence[str]) -> int:
        return run_command(
            self._run,
            self._config,
            arguments,
            prog=self._name,
            description=self._description,
            epilog=self._epilog.format(prog=self._name),
        )


verify = _Command("diar verify", _verify, VerifyConfig, VERIFY_DESCRIPTION, VERIFY_EPILOG)
purge = _Command("diar purge", _purge, PurgeConfig, PURGE_DESCRIPTION, PURGE_EPILOG)
rekey = _Command("diar rekey", _rekey, RekeyConfig, REKEY_DESCRIPTION, REKEY_EPILOG)
