"""The source distribution and the wheel: complete, and usable from an empty folder with an empty cache."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2, copytree

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from diar.extras import EXTRAS
from tests.commands import OPTION_PREFIXES, ROOT, extract_arguments, write_archive

pytestmark = pytest.mark.slow

BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"
RELATIVE_LINK = r"\]\((?!https?://|#)|(?:src|href)=[\"'](?!https?://|#)"


@dataclass(frozen=True)
class Built:
    """Both distributions, what they were made from, and the files that git knows or would add."""

    source: Path
    sdist: Path
    wheel: Path
    tracked: set[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The source distribution of the tracked files, and the wheel made from it."""
    git = ["git", "-c", "safe.directory=*"]  # whoever the files belong to
    listed = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this is no clone: {done.stderr}")
    tracked = {name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}
    folder = tmp_path_factory.mktemp("built")
    for name in tracked:
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        copy2(ROOT / name, folder / "source" / name)
    sdist = build("build_sdist", folder / "source", folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return Built(
        folder / "source",
        sdist,
        build("build_wheel", folder / sdist.name.removesuffix(".tar.gz"), folder),
        tracked,
    )


def build(what: str, source: Path, out: Path) -> Path:
    """Call the project's build backend as pip does."""
    before = set(out.iterdir())
    call = [sys.executable, "-c", BUILD, what, str(out)]
    done = subprocess.run(call, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = {path for path in set(out.iterdir()) - before if path.is_file()}
    return made


def test_the_source_distribution_holds_what_git_does(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    made = {name for name in names if name.startswith("diar.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert names - made == {
        name for name in built.tracked if not any(part.startswith(".") for part in Path(name).parts)
    }


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    scripts = {"extract_embeddings_multigpu.py", "detect_boundaries.py"}
    assert names == {name for name in built.tracked if name.startswith("diar/")} | scripts
    assert {Path(name).suffix for name in names} >= {".py", ".yaml", ".typed"}


def test_the_metadata_is_whole_and_says_nothing_that_is_not_so(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
        licences = {Path(name).name for name in archive.namelist() if ".dist-info/licenses/" in name}
    metadata = Metadata.from_email(text, validate=True)  # as the index does
    assert str(metadata.license_expression) == "Apache-2.0"
    assert licences == {"LICENSE", "THIRD_PARTY_NOTICES.md"}
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description is not None
    assert not re.findall(RELATIVE_LINK, metadata.description), "broken on a package index"
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= set(metadata.classifiers or ())
    assert not metadata.project_urls, "none is public"
    extras = {
        Requirement(f'{one}; extra == "{extra}"') for extra, packages in EXTRAS.items() for one in packages
    }
    assert set(EXTRAS) <= set(metadata.provides_extra or ())
    assert extras <= set(metadata.requires_dist or ()), "diar.extras tells other packages"


@dataclass(frozen=True)
class Environment:
    """A new virtual environment that holds diar, and borrows all that it needs from this one."""

    folder: Path
    cwd: Path  # empty at first

    @property
    def packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))

    def run(self, program: str, *arguments: object) -> str:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", *OPTION_PREFIXES))}
        empty = {"DIAR_CACHE": str(self.cwd / "cache"), "PIP_NO_INDEX": "1"}
        call = [str(self.folder / "bin" / program), *map(str, arguments)]
        done = subprocess.run(call, cwd=self.cwd, env={**kept, **empty}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def installed(folder: Path, *arguments: object) -> Environment:
    """Install a distribution, without a network, into a new environment; the arguments are pip's."""
    environment = Environment(folder / "venv", folder / "empty")
    environment.cwd.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment.folder], check=True)
    borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (environment.packages / "borrowed.pth").write_text("\n".join(borrowed))
    pip = [sys.executable, "-m", "pip", "--python", str(environment.folder / "bin" / "python"), "install"]
    options = ["-q", "--ignore-installed", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile"]
    done = subprocess.run([*pip, *options, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return environment


def test_the_wheel_works_from_an_empty_folder_with_an_empty_cache(
    built: Built, tmp_path: Path, tiny_model_dir: Path
) -> None:
    environment = installed(tmp_path, built.wheel)
    run = environment.run
    assert run("diar", "--help").startswith("usage: diar COMMAND")
    assert not re.findall(r"campplus-zh-en +cached", run("diar", "models", "list"))
    where = (
        "import diar, detect_boundaries as d, extract_embeddings_multigpu as e; print(diar.embed.__module__)"
    )
    files = "; [print(module.__file__) for module in (diar, d, e)]"
    told = run("python", "-c", where + files).splitlines()
    assert told[0] == "diar.api.voice"
    assert all(Path(file).is_relative_to(environment.packages) for file in told[1:])
    for module in ("extract_embeddings_multigpu", "detect_boundaries"):
        assert run("python", "-m", module, "--help").startswith(f"usage: {module}.py")
    archive = write_archive(environment.cwd / "archive", [3, 4])
    run("diar", "extract", *extract_arguments(archive, "E", "--model_dir", tiny_model_dir, "--workers", 1))
    assert "2 files" in run("diar", "detect", "--embeddings_dir", "E", "--output_dir", "R")
    assert (environment.cwd / "R" / "boundary_detection_visualization.png").is_file()


def test_the_source_distribution_installs_the_same(built: Built, tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="the demo needs espeakng-loader")
    environment = installed(tmp_path, built.sdist)
    names = (path for path in environment.packages.rglob("*") if path.is_file())
    found = {str(path.relative_to(environment.packages)) for path in names}
    with zipfile.ZipFile(built.wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} <= found
    environment.run("diar", "demo", "D", "--speakers", 2, "--files", 8, "--conversations", 0)
    assert (environment.cwd / "D" / "truth.rttm").is_file()


def test_above_a_clone_the_editable_package_is_imported(built: Built, tmp_path: Path) -> None:
    """Not the clone's own folder, which has the same name."""
    clone = tmp_path / "empty" / "diar"
    copytree(built.source, clone)
    environment = installed(tmp_path, "-e", clone)
    told = environment.run("python", "-c", "import diar; print(diar.__file__, diar.embed.__name__)")
    assert told.split() == [str(clone / "diar" / "__init__.py"), "embed"]
    assert environment.run("python", "-m", "diar", "--version").startswith("diar ")
