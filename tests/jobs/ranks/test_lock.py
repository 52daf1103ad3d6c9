"""One run at a time: its first rank begins alone, its others share, a second run has to wait for all."""

from pathlib import Path

import pytest

from diar.jobs.ranks import lock
from diar.jobs.ranks.lock import is_locked, run_lock
from diar.leases.alone import LockError
from diar.store.layout import Layout


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr(lock, "_LOCK_WAIT", 0.0)
    return Layout(str(tmp_path / "out"))


def test_a_second_run_is_kept_out_while_any_rank_works(layout: Layout) -> None:
    assert not is_locked(layout.lock)
    with run_lock(layout.lock, first=False):  # of a run whose first rank is dead and being started again
        assert is_locked(layout.lock)
        with pytest.raises(LockError, match="another run is writing"), run_lock(layout.lock, first=True):
            pass
        with run_lock(layout.lock, first=False):
            pass
    assert not is_locked(layout.lock)
    with run_lock(layout.lock, first=True):
        pass


def test_the_ranks_of_a_run_share_the_lock_of_the_first(layout: Layout) -> None:
    with run_lock(layout.lock, first=True), run_lock(layout.lock, first=False):
        assert is_locked(layout.lock)
        with pytest.raises(LockError), run_lock(layout.lock, first=True):
            pass
    assert not is_locked(layout.lock)


def test_a_run_that_nobody_may_join_and_one_that_others_may_keep_each_other_out(layout: Layout) -> None:
    def begin(joined: bool) -> None:
        with run_lock(layout.lock, first=not joined, joined=joined):
            pass

    with run_lock(layout.lock, first=False, joined=True):
        begin(joined=True)
        with pytest.raises(LockError, match="can be shared with `join`"):
            begin(joined=False)
    refused = pytest.raises(LockError, match=r"process \d+ on \S+, and holds")
    with run_lock(layout.lock, first=True), run_lock(layout.lock, first=False), refused:
        begin(joined=True)
    begin(joined=True)
