"""Fixtures shared by all tests: real data where `../shared` lies beside the checkout, weights by name."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real speech and reference arrays; tests that need it skip without it."""
    folder = Path(os.environ.get("DIAR_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (DIAR_SHARED names another place)")
    return folder


@pytest.fixture(scope="session")
def campplus_dir() -> Path:
    """The default encoder's model directory: from `../shared`, else fetched by name into the cache."""
    folder = Path(os.environ.get("DIAR_SHARED", ROOT.parent / "shared")) / "models" / "campplus-zh-en"
    if folder.is_dir():
        return folder
    from diar.models import hub

    return hub.fetch("campplus-zh-en")
