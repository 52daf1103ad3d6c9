"""Reading PyTorch's files without running what is in them.

A `.pt` or `.bin` file is a zip archive: `data.pkl` describes the objects, `data/KEY` holds the numbers. A
pickle is a program: it may name any function of any installed package and call it. So
`torch.load(weights_only=True)` refuses files that name more than tensors, as training frameworks write them.
This reader takes them. It imports nothing and calls nothing. While it reads the description, it only notes
tensors down. Every unknown name stands for `_Inert`, which does nothing whatever the file does with it.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from typing import IO, Any

import torch
from torch import Tensor


class _Inert:
    """Takes every call, argument, state and item, and does nothing, as a class as well as an object.

    The methods that the unpickler looks up are static, so that the class takes no state either.
    """

    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take anything."""

    def __call__(self, *_: Any, **__: Any) -> _Inert:
        return _Inert()

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def __setstate__(*_: Any) -> None:
        """Keep nothing."""

    append = extend = add = __setstate__


class _Mapping(dict[Any, Any]):
    """An OrderedDict without the attributes that a file may give it."""

    __slots__ = ()

    @staticmethod
    def __setstate__(*_: Any) -> None:
        """Keep nothing."""


class _StorageType(_Inert):
    """`torch.FloatStorage` and its like."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _Storage(_Inert):
    """Numbers of the archive that are not read yet."""

    __slots__ = ("dtype", "key", "size")

    def __init__(self, dtype: torch.dtype, key: str, size: int) -> None:
        self.dtype, self.key, self.size = dtype, key, size


class TensorView(_Inert):
    """A tensor, not built yet: a shape over a storage."""

    __slots__ = ("offset", "shape", "storage", "strides")

    def __init__(self, storage: _Storage, offset: Any, shape: Any, strides: Any) -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def lies_within(self, size: int) -> bool:
        """Return whether it uses `size` numbers at most, none of them outside."""
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        inside = min((self.offset, *self.shape, *self.strides)) >= 0 and (0 in self.shape or last < size)
        return inside and math.prod(self.shape) <= size


class Noted(_Inert):
    """An object of a class that is known to be plain data: its attributes are noted down, and inert."""

    __slots__ = ("attributes",)

    def __init__(self, *_: Any, **__: Any) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any, *_: Any) -> None:  # type: ignore[override]
        """Note attributes down."""
        self.attributes = dict(state) if isinstance(state, dict) else {}


class _RebuildParameter(_Inert):
    """`torch._utils._rebuild_parameter`: a tensor that was trained."""

    __slots__ = ()

    def __call__(self, *arguments: Any, **_: Any) -> _Inert:
        return arguments[0] if arguments and isinstance(arguments[0], TensorView) else _Inert()


class _RebuildTensor(_Inert):
    """`torch._utils._rebuild_tensor_v2`, which only notes down what is to be built."""

    __slots__ = ()

    def __call__(self, *arguments: Any, **_: Any) -> _Inert:
        if len(arguments) < 4 or not isinstance(arguments[0], _Storage):
            return _Inert()
        return TensorView(*arguments[:4])


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Mapping,
    ("pyannote.audio.core.task", "Specifications"): Noted,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    ("torch", "FloatStorage"): _StorageType(torch.float32),
    ("torch", "DoubleStorage"): _StorageType(torch.float64),
    ("torch", "HalfStorage"): _StorageType(torch.float16),
    ("torch", "BFloat16Storage"): _StorageType(torch.bfloat16),
    ("torch", "LongStorage"): _StorageType(torch.int64),
    ("torch", "IntStorage"): _StorageType(torch.int32),
}


class _Unpickler(pickle.Unpickler):
    """Knows the names in `_KNOWN`; all others are `_Inert`, without a look at whether they exist."""

    def find_class(self, module: str, name: str) -> Any:
        return _KNOWN.get((module, name), _Inert)

    def persistent_load(self, pid: Any) -> _Inert:
        match pid:
            case ("storage", _StorageType() as kind, str(key), _, int(size)):
                return _Storage(kind.dtype, key, size)
        return _Inert()


class CheckpointArchive:
    """A checkpoint's zip archive: what it describes, and the numbers behind that."""

    def __init__(self, file: IO[bytes]) -> None:
        self._size = file.seek(0, io.SEEK_END)
        try:
            self._zip = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"{error}, as PyTorch since 1.6 writes, and may hold more than tensors"
            ) from error
        self._members = set(self._zip.namelist())
        folders = [name.removesuffix("data.pkl") for name in self._members if name.endswith("/data.pkl")]
        if len(folders) != 1:
            raise ValueError(f"it has {len(folders)} members called data.pkl instead of one")
        self._folder = folders[0]
        if self._folder + "byteorder" in self._members and self._read("byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        self._storages: dict[str, Tensor] = {}

    def description(self) -> Any:
        """Return what `data.pkl` describes: tensors as `TensorView`, everything unknown as `_Inert`."""
        content = self._read("data.pkl")
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name.startswith("EXT"):  # these look objects up without asking find_class
                raise ValueError("it uses pickle's extension registry")
            # Memory is taken up to that index
            if opcode.name.endswith("PUT") and int(argument or 0) > len(content):
                raise ValueError("its description is damaged")
        return _Unpickler(io.BytesIO(content)).load()

    def tensor(self, view: TensorView) -> Tensor:
        """Return the tensor of a view.

        Raises:
            ValueError: it would leave its storage, which PyTorch does not always notice.
        """
        storage = view.storage
        if storage.key not in self._storages:
            content = bytearray(self._read(f"data/{storage.key}"))
            self._storages[storage.key] = torch.frombuffer(content, dtype=storage.dtype)
        numbers = self._storages[storage.key]
        if (numbers.dtype, len(numbers)) != (storage.dtype, storage.size):
            raise ValueError(f"storage {storage.key} does not hold {storage.size} × {storage.dtype}")
        if not view.lies_within(len(numbers)):
            raise ValueError(f"a tensor does not lie within its storage {storage.key}")
        return numbers.as_strided(view.shape, view.strides, view.offset)

    def _read(self, member: str) -> bytes:
        info = self._zip.getinfo(self._folder + member)
        if info.compress_type != zipfile.ZIP_STORED:  # PyTorch never does; it could grow without bounds
            raise ValueError(f"{info.filename} is compressed")
        if info.file_size > self._size:  # it would be made room for
            raise ValueError(f"{info.filename} claims {info.file_size:,} bytes in a file of {self._size:,}")
        return self._zip.read(info)
