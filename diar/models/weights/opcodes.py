"""A look through the opcodes of a pickle, before the unpickler runs them.

`pickletools.genops` also decodes every argument, which takes five times as long.
"""

from __future__ import annotations

import pickletools

# opcode → bytes of its argument, or one of pickletools' negative numbers where the argument tells its length
_ARGUMENT = {ord(opcode.code): opcode.arg.n if opcode.arg else 0 for opcode in pickletools.opcodes}
_OPCODES = {opcode.name: ord(opcode.code) for opcode in pickletools.opcodes}
_COUNTS = {  # bytes of the length, and whether it can be negative
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
_EXTENSIONS = {code for name, code in _OPCODES.items() if name.startswith("EXT")}
_TWO_LINES = {_OPCODES["GLOBAL"], _OPCODES["INST"]}
_PUTS = {_OPCODES["PUT"], _OPCODES["BINPUT"], _OPCODES["LONG_BINPUT"]}
_PUT, _STOP = _OPCODES["PUT"], _OPCODES["STOP"]


def check_opcodes(pickled: bytes) -> None:
    """Refuse a pickle that asks the extension registry, or puts objects at an index beyond its own size.

    Raises:
        ValueError: it does, has an unknown opcode, or ends before its last one.
    """
    at = 0
    while at < len(pickled):
        code, argument = pickled[at], at + 1
        if code == _STOP:
            return
        if code in _EXTENSIONS:  # these look objects up without asking find_class
            raise ValueError("it uses pickle's extension registry")
        at = _end(pickled, code, argument)
        if code in _PUTS:  # memory is taken up to that index
            given = pickled[argument:at]
            index = int(given) if code == _PUT else int.from_bytes(given, "little")
            if index > len(pickled):
                raise ValueError("its description is damaged")
    raise ValueError("its description is cut off")


def _end(pickled: bytes, code: int, start: int) -> int:
    """Return where the argument of an opcode ends that starts at `start`."""
    size = _ARGUMENT.get(code)
    if size is None:
        raise ValueError(f"its description has an unknown opcode {code:#x}")
    if size >= 0:
        return start + size
    if size == pickletools.UP_TO_NEWLINE:
        for _ in range(2 if code in _TWO_LINES else 1):
            start = pickled.index(b"\n", start) + 1
        return start
    width, signed = _COUNTS[size]
    length = int.from_bytes(pickled[start : start + width], "little", signed=signed)
    if length < 0:
        raise ValueError("its description is damaged")
    return start + width + length
