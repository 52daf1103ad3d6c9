"""Packages that only some functions need, and lines that install them.

The lines name these packages, which are on the index, and no extra of diar itself: `diar[score]` would need
the clone or the wheel that diar was installed from.
"""

from __future__ import annotations

import importlib
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diar.errors import DiarError

# As in pyproject.toml, which a wheel's user does not have
EXTRAS = {
    "s3": ("s3fs>=2024.10",),
    "gs": ("gcsfs>=2024.10",),
    "az": ("adlfs>=2024.7",),
    "http": ("aiohttp>=3.9", "requests>=2.31"),
    "hub": ("huggingface_hub>=0.25",),
    "score": ("pyannote.metrics>=3.2", "meeteval>=0.4"),
    "vbx": ("h5py>=3.10",),
    "demo": ("espeakng-loader>=0.2.4",),
    "encryption": ("cryptography>=42", "pyarrow>=21"),
    "voices": ("onnxruntime>=1.17", "espeakng-loader>=0.2.4"),
    "enhance": ("onnxruntime>=1.17",),
    "export": ("onnx>=1.16", "onnxruntime>=1.17"),
    "words": ("faster-whisper>=1.1",),
    "transformers": ("transformers>=5",),
    "endpoint": ("urllib3>=2.6.3",),
    "kafka": ("confluent-kafka>=2.6", "jsonschema>=4.18", "prometheus-client>=0.20"),
    "mlflow": ("mlflow>=3.1",),
    "metrics": ("prometheus-client>=0.20",),
    "service": (
        "fastapi>=0.115",
        "uvicorn>=0.40",
        "websockets>=14",
        "prometheus-client>=0.20",
        "PyJWT[crypto]>=2.9",
        "redis>=5.1",
        "anyio>=4",
        "python-multipart>=0.0.20",
    ),
}


def require(package: str, extra: str, who: str, error: type[DiarError] = DiarError) -> Any:
    """Import a package that only some functions need, and return it.

    Args:
        package: as it is imported, such as `faster_whisper`; of `a.b`, the module b.
        extra: of diar, that has it.
        who: needs it, the subject of the message.
        error: what is raised.

    Raises:
        DiarError: an `error`: it is missing or broken. The message says which, and the line that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as missing:
        raise error(
            f"{who} needs the package {package.partition('.')[0]}, which cannot be imported ({missing}); "
            f"install it by: {install_line(extra)}"
        ) from None


def install_line(extra: str, *options: str) -> str:
    """Return the line that installs what an extra of diar consists of; `options` are pip's."""
    return pip_install(*EXTRAS[extra], options=options)


def pip_install(*packages: str, options: Sequence[str] = ()) -> str:
    """Return the line that installs packages into the environment that this process runs in."""
    return shlex.join([*_pip(), "install", *options, *packages])


def _pip() -> list[str]:
    """Return the words that run this environment's pip: `pip` alone may be that of another one."""
    found = shutil.which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return ["pip"]
    return [sys.executable, "-m", "pip"]
