"""`diar export`."""

from __future__ import annotations

from collections.abc import Sequence

from diar.errors import EXIT_OK
from diar.export.config import ExportConfig
from diar.options.command import run_command
from diar.options.places import check_writable

DESCRIPTION = """\
Write networks as files that ONNX Runtime, libtorch, TensorRT or Triton read. One file goes from samples to
embeddings, or to who speaks; batch and length are free. A file says inside what it is: model, checksum,
licence, front end, sample rate. Files in fp32 are compared with torch before they are kept."""

EPILOG = """\
examples:
  diar export --output_dir OUT
  diar export --model campplus-zh-en --part trunk --precision int8 --output_dir OUT
  diar export --format tensorrt --model campplus-zh-en --precision fp16 --output_dir OUT
  diar export --format triton --output_dir REPOSITORY && tritonserver --model-repository REPOSITORY"""


def main(arguments: Sequence[str], prog: str = "diar export") -> int:
    """Run `diar export` and return the exit code."""
    return run_command(_export, ExportConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _export(config: ExportConfig) -> int:
    from diar.export.measured import is_small
    from diar.export.measured import told as in_words
    from diar.export.write import export_all

    check_writable("output_dir", str(config.output_dir))
    for written in export_all(config):
        size = written.file.stat().st_size / 1e6
        told = "" if written.agreement is None else f"; beside torch: {written.agreement}"
        if config.precision != "fp32":
            told += f"; {in_words(written.move)}"
        print(f"{written.file}: {size:.1f} MB{told}", flush=True)
        if not is_small(written.move):
            print(f"warning: {config.precision} is not fit to be a default: {in_words(written.move)}")
    return EXIT_OK
