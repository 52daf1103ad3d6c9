"""Run a command: read its options, do its work, report errors, return an exit code."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from diar.errors import EXIT_ERROR, DiarError, explain, with_flags
from diar.options.arguments import ConfigT, parse_arguments
from diar.options.base import options_of
from diar.options.keys import keys_from
from diar.options.logs import logged_as
from diar.options.sharing import Share, shared_with
from diar.options.terminal import escaped_output, print_all_characters


def run_command(
    run: Callable[[ConfigT], int],
    config_class: type[ConfigT],
    arguments: Sequence[str],
    *,
    prog: str,
    description: str,
    epilog: str = "",
) -> int:
    """Run a command and return its exit code.

    An error that a user can mend becomes one message on stderr and `EXIT_ERROR`.

    Args:
        run: the command's work; returns the exit code.
        config_class: its options.
        arguments: of the command line, without the command's name.
        prog: what `--help` calls the command.
        description: what `--help` says above the options.
        epilog: what `--help` says below them.
    """
    print_all_characters(sys.stdout)
    atexit.register(gc.freeze)  # after torch, Python's last look for garbage takes half a second
    with escaped_output(), ExitStack() as stack:
        try:
            config = parse_arguments(
                config_class, arguments, prog=prog, description=description, epilog=epilog
            )
            keys = getattr(config, "encryption_key", None)
            share: Share = getattr(config, "share", "all")
            stack.enter_context(logged_as(getattr(config, "log_format", "text"), prog))
            with keys_from(keys), shared_with(share):
                return run(config)
        except DiarError as error:
            _print_error(with_flags(str(error), options_of(config_class)))
        except BrokenPipeError:
            raise  # whoever read our output has gone; `diar.cli.main` ends quietly
        except OSError as error:
            _print_error(explain(error))
        return EXIT_ERROR


def _print_error(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
