"""`diar rekey`: what is encrypted with one master key is encrypted with another. It may be done twice.

Files are written again, so that each gets a key of its own anew; what was copied with the old master key
cannot be read with the new one. Names of files stay.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import pyarrow as pa
from tqdm import tqdm

from diar import storage
from diar.custody.exclusive import as_private_as, kept_out, kept_out_of_result
from diar.custody.places import Outputs, own_files
from diar.outputs.speakers_table import SPEAKERS_NAME
from diar.store.encryption.files import ENCRYPTED, protected, revealed
from diar.store.encryption.keyring import EncryptionError, keyring
from diar.store.encryption.names import forget_secrets, wrapped_secret
from diar.store.layout import Layout
from diar.store.parquet import TracksFile, footer_of, open_parquet, with_prefix, write_table
from diar.store.reader import done_shards
from diar.store.words import WordsLayout

_REMEDY = "`diar verify` says what to do"
_PARTS = ("_extraction/sections/", "_words/partial/")  # of unfinished shards, no Parquet


def rekey(places: Sequence[str]) -> int:
    """Encrypt outputs with the first key of the keyring; return how many files were written again.

    Raises:
        EncryptionError: an output of stage 1 is not encrypted, or with a key that is not given.
        DiarError: a run is writing there, a file is damaged.
    """
    outputs = Outputs.below(places)
    count = 0
    for root in outputs.extractions:
        with kept_out(root), as_private_as(Layout(root).config):
            count += _rekey_extraction(root)
    for root in outputs.results:  # the people of a result, if they were encrypted
        url = storage.join(root, SPEAKERS_NAME)
        with kept_out_of_result(root), as_private_as(url):
            count += _rewrite(url, own_files(root).get(SPEAKERS_NAME))
    return count


def _rekey_extraction(root: str) -> int:
    layout, files = Layout(root), own_files(root)
    config = json.loads(storage.read_bytes(layout.config))
    if "encryption" not in config:
        raise EncryptionError(
            f"{root} is not encrypted; run stage 1 into another folder with `encryption_key`"
        )
    stored, writing = config["encryption"], keyring().writing
    assert writing is not None
    secret = keyring().key(stored["key"]).unwrap(base64.b64decode(stored["names"]))
    sha256: dict[str, str] = {}
    for path in tqdm([one for one in files if one.endswith(".parquet")], "rekey", disable=None):
        url = storage.join(root, path)
        if _is_encrypted(url):
            sha256[url] = _rewrite_tracks(url)
    for shard in done_shards(layout):
        _rewrite_index(layout, shard, sha256)
    words = WordsLayout(root)
    tables = [layout.plan, *(words.shard(shard) for shard in done_shards(words))]
    count = sum(_rewrite(url, 1) for url in tables) + len(sha256) + len(done_shards(layout))
    for path in (one for one in files if one.startswith(_PARTS)):
        url = storage.join(root, path)
        storage.write_bytes_atomic(url, protected(revealed(storage.read_bytes(url))))
        count += 1
    config["encryption"] = wrapped_secret(secret, writing)
    storage.write_bytes_atomic(layout.config, json.dumps(config, indent=2).encode())
    forget_secrets()
    return count


def _is_encrypted(url: str) -> bool:
    with storage.open_binary(url) as file:
        return file.read(len(ENCRYPTED)) == ENCRYPTED


def _rewrite(url: str, there: int | None) -> int:
    """Write a table again, if it is there and encrypted; return how many were."""
    if there is None or not _is_encrypted(url):
        return 0
    with open_parquet(url, _REMEDY) as parquet:
        footer, table = footer_of(parquet.metadata), parquet.read(use_threads=False)
        rows = parquet.metadata.row_group(0).num_rows if parquet.num_row_groups > 1 else None
    write_table(url, table, with_prefix(footer), **({} if rows is None else {"row_group_size": rows}))
    return 1


def _rewrite_tracks(url: str) -> str:
    """Write a file of tracks again; return its SHA-256."""
    with open_parquet(url, _REMEDY) as parquet:
        footer, table = footer_of(parquet.metadata), parquet.read(use_threads=False)
    dimension = table.schema.field("embedding").type.list_size
    with storage.open_atomic(url) as file, TracksFile(file, dimension) as written:
        written.write(table)
        written.set_footer(footer)
    return written.sha256


def _rewrite_index(layout: Layout, shard: int, sha256: dict[str, str]) -> None:
    """Write an index again, with the new checksums of the tracks."""
    url = layout.shard(shard)
    with open_parquet(url, _REMEDY) as parquet:
        footer, table = footer_of(parquet.metadata), parquet.read(use_threads=False)
    ids, known = table["recording_id"].to_pylist(), table["tracks_sha256"].to_pylist()
    changed = [
        before
        and sha256.get(layout.tracks(one), sha256.get(layout.packed(layout.folder(one), shard), before))
        for one, before in zip(ids, known, strict=True)
    ]
    place = table.schema.get_field_index("tracks_sha256")
    table = table.set_column(place, table.schema.field(place), pa.array(changed, pa.string()))
    write_table(url, table, with_prefix(footer))
