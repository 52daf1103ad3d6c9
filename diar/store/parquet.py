"""Parquet files of the store: published whole or not at all; errors say what to do about a damaged one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from diar import storage
from diar.errors import DiarError, explain
from diar.store.encryption.files import ENCRYPTED, reading_properties, writing_properties
from diar.store.encryption.keyring import EncryptionError
from diar.store.schema import SCHEMA_VERSION, track_schema, with_norm
from diar.store.sealed import ChecksumError, SealingFile, checked

_PREFIX = "diar."  # of footer keys
_ROW_GROUP = 65_536
# A packed file is read by row group: one of thousands of recordings, or a day of one, takes little memory
TRACKS_ROW_GROUP = 8_192
_TOLD = 300  # characters of what is wrong, which may quote the file
_OF_PARSING = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


class StoreError(DiarError):
    """A directory that is no complete output of stage 1, or a damaged file in one."""


def write_table(url: str, table: pa.Table, footer: dict[str, str], row_group_size: int = _ROW_GROUP) -> None:
    """Write `table` with `footer` metadata to `url`, atomically and sealed, encrypted if there is a key."""
    table = table.replace_schema_metadata(footer)
    with storage.open_atomic(url) as file:
        sealing = SealingFile(file)
        with pq.ParquetWriter(
            sealing,
            table.schema,
            compression="zstd",
            write_page_checksum=True,
            encryption_properties=writing_properties(),
        ) as parquet:
            parquet.write_table(table, row_group_size=row_group_size)
            sealing.begin_footer()
        sealing.finish()


class TracksFile:
    """A Parquet file of tracks that is being written, complete and sealed when the block ends.

    Args:
        file: what to write to.
        dimension: length of the embeddings.
    """

    def __init__(self, file: Any, dimension: int) -> None:
        self._sealing = SealingFile(file)
        # Floats by byte-stream split, no dictionary of values that do not repeat: docs/on-disk.md
        self._parquet = pq.ParquetWriter(
            self._sealing,
            track_schema(dimension),
            compression="zstd",
            use_dictionary=["recording_id"],
            write_statistics=["recording_id"],
            column_encoding={"embedding.list.element": "BYTE_STREAM_SPLIT"},
            write_page_checksum=True,
            encryption_properties=writing_properties(),
        )

    def write(self, table: pa.Table) -> None:
        """Append rows as `schema.tracks_table` returns them, or as an earlier version wrote them."""
        self._parquet.write_table(with_norm(table), row_group_size=TRACKS_ROW_GROUP)

    def set_footer(self, footer: dict[str, str]) -> None:
        """Set the `diar.` entries of the footer."""
        # Not in the schema's metadata: the footer holds a copy of the schema, half of a short file's bytes
        self._parquet.add_key_value_metadata({_PREFIX + key: value for key, value in footer.items()})

    def __enter__(self) -> TracksFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._sealing.begin_footer()
        self._parquet.close()
        if kind is None:
            self._sealing.finish()

    @property
    def sha256(self) -> str:
        """SHA-256 of the complete file."""
        return self._sealing.sha256


def footer_of(metadata: pq.FileMetaData) -> dict[str, str]:
    """Return diar's own footer entries, without their prefix."""
    items = {key.decode(): value for key, value in (metadata.metadata or {}).items()}
    return {key.removeprefix(_PREFIX): v.decode() for key, v in items.items() if key.startswith(_PREFIX)}


def checked_footer(url: str, metadata: pq.FileMetaData) -> dict[str, str]:
    """Return `footer_of` a file at `url`; raise StoreError if it has another schema version."""
    footer = footer_of(metadata)
    version = footer.get("schema_version")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{url} has schema version {str(version)[:_TOLD]}, not {SCHEMA_VERSION}; extract it again"
        )
    return footer


def with_prefix(footer: dict[str, str]) -> dict[str, str]:
    """Return `footer` with diar's prefix, for `write_table`."""
    return {_PREFIX + key: value for key, value in footer.items()}


@contextmanager
def open_parquet(url: str, remedy: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; the block does nothing but read it, with `use_threads=False`.

    Without that, and with `pre_buffer`, Arrow's own threads read the Python file. One not done with it
    when the process exits aborts the process (apache/arrow#34314): exit code -6 after all work was done.

    Raises:
        StoreError: it is missing or damaged; the message ends with `remedy`.
        EncryptionError: it is encrypted with a key that is not given.
    """
    if not storage.exists(url):
        raise StoreError(f"{url} is missing; {remedy}")
    try:
        with storage.open_binary(url) as file:
            yield _opened(checked(file))
    except EncryptionError as error:
        raise EncryptionError(f"{url}: {error}") from None
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(url, remedy, error) from None


def _opened(file: BinaryIO) -> pq.ParquetFile:
    file.seek(-len(ENCRYPTED), io.SEEK_END)
    properties = reading_properties() if file.read() == ENCRYPTED else None
    file.seek(0)
    return pq.ParquetFile(
        file, pre_buffer=False, page_checksum_verification=True, decryption_properties=properties
    )


@contextmanager
def parsing(url: str, remedy: str) -> Iterator[None]:
    """Raise StoreError where the block cannot parse the file at `url`, or refuses what is in it."""
    try:
        yield
    except (*_OF_PARSING, pa.ArrowException) as error:
        raise StoreError(
            f"{url} is damaged ({type(error).__name__}: {str(error)[:_TOLD]}); delete it, then {remedy}"
        ) from None


def read_table(
    url: str, remedy: str = "run stage 1 again to restore it", *, columns: list[str] | None = None
) -> pa.Table:
    """Read a table, or some of its columns; raise StoreError as `open_parquet` does."""
    with open_parquet(url, remedy) as parquet:
        return parquet.read(columns, use_threads=False)


def read_rows_where(
    url: str, column: str, value: Any, remedy: str = "run stage 1 again to restore it"
) -> pa.Table:
    """Read the rows whose `column` is `value`, skipping the row groups that cannot hold one.

    Raises:
        StoreError: as `open_parquet`.
    """
    with open_parquet(url, remedy) as parquet:
        number = parquet.schema_arrow.get_field_index(column)
        if number < 0:
            raise StoreError(f"{url} is damaged (without the column {column}); delete it, then {remedy}")
        spans = [parquet.metadata.row_group(i).column(number) for i in range(parquet.num_row_groups)]
        with parsing(url, remedy):
            groups = [i for i, span in enumerate(spans) if _may_hold(span.statistics, value)]
        table = parquet.read_row_groups(groups, use_threads=False)
    with parsing(url, remedy):
        return table.filter(pc.equal(table[column], value))


def _may_hold(statistics: pq.Statistics | None, value: Any) -> bool:
    """Return whether a column chunk can hold `value`; True where the file does not say."""
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= value <= statistics.max)


def _unreadable(url: str, remedy: str, error: Exception) -> StoreError:
    """Return what to say of a file that cannot be read; only one that is damaged is to be deleted."""
    if isinstance(error, ChecksumError):
        return StoreError(f"{url} is damaged: {error}; delete it, then {remedy}")
    if isinstance(error, OSError) and error.errno is not None:  # Arrow's decompression fails without a number
        return StoreError(f"{url} cannot be read: {explain(error)}")
    return StoreError(f"{url} cannot be read ({str(error)[:_TOLD]}); delete it, then {remedy}")
