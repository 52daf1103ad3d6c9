"""Where each file of a stage 1 output lies (docs/on-disk.md)."""

from __future__ import annotations

from dataclasses import dataclass

from diar import storage
from diar.store.encryption.names import hidden, secret_of

INDEX_SUFFIX = ".pq"  # of Parquet that holds no tracks: `OUT/**/*.parquet` finds tracks only
MIRROR, PACKED = "mirror", "packed"  # how tracks lie: a file a recording, or a file a folder and shard


@dataclass(frozen=True)
class Layout:
    """Names of the files under one output directory (local path or fsspec URL)."""

    root: str

    def tracks(self, recording_id: str) -> str:
        """Return the file of one recording's tracks: the input's path + `.parquet`, or a hidden name."""
        secret = secret_of(Layout(self.root).config)
        if secret is not None:
            return storage.join(self.root, hidden(secret, recording_id) + ".parquet")
        return storage.join(self.root, storage.output_name(recording_id, ".parquet"))

    def folder(self, recording_id: str) -> str:
        """Return the folder of a recording's tracks, in both layouts."""
        return self.tracks(recording_id).rpartition("/")[0]

    def packed(self, folder: str, shard: int) -> str:
        """Return the file of a shard's recordings in `folder`; no recording's own file has that name."""
        return storage.join(folder, storage.PACKED_NAME.format(shard))

    def shard(self, shard: int) -> str:
        """Return the file of a shard's index; it is written last and so marks the shard as done."""
        return storage.join(self.shards, f"{shard:05d}{INDEX_SUFFIX}")

    def progress(self, rank: int) -> str:
        """Return the file that says how far one rank is, rewritten about once a second."""
        return storage.join(self.private, "progress", f"rank_{rank:03d}.json")

    def events(self, rank: int) -> str:
        """Return the file of what one rank did and when, to which it appends."""
        return storage.join(self.private, "events", f"rank_{rank:03d}.jsonl")

    def profile(self, rank: int) -> str:
        """Return the file of the trace of one rank's forward passes."""
        return storage.join(self.private, "profile", f"rank_{rank:03d}.json.gz")

    def sections(self, shard: int) -> str:
        """Return the folder of the sections of a shard's long recordings."""
        return storage.join(self.all_sections, f"{shard:05d}")

    @property
    def all_sections(self) -> str:
        """Folder of the sections of all shards."""
        return storage.join(self.private, "sections")

    @property
    def private(self) -> str:
        """Folder of everything but the tracks."""
        return storage.join(self.root, "_extraction")

    @property
    def shards(self) -> str:
        """Folder of the shard indexes."""
        return storage.join(self.private, "shards")

    @property
    def plan(self) -> str:
        """Which recording belongs to which shard."""
        return storage.join(self.private, f"plan{INDEX_SUFFIX}")

    @property
    def config(self) -> str:
        """What affects the results, and its fingerprint."""
        return storage.join(self.private, "config.json")

    @property
    def plda(self) -> str:
        """PLDA model of the pipeline whose networks made the embeddings, if they are of one."""
        return storage.join(self.private, "plda.npz")

    @property
    def lock(self) -> str:
        """Held by the run that writes here (local output only)."""
        return storage.join(self.private, "run.lock")

    @property
    def statistics(self) -> str:
        """Totals, speed, devices, failures by kind, versions."""
        return storage.join(self.root, "extraction_stats.json")
