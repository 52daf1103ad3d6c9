"""Errors that a user can act on; commands print their message and exit with 2."""


class DiarError(Exception):
    """What happened, the value found, and what to do about it, in one message."""
