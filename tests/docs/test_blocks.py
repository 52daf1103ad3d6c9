"""docs/run_blocks.py, which runs the command blocks: tests/api/test_documents.py runs some of them."""

import sys
from pathlib import Path

from tests.commands import ROOT

sys.path.insert(0, str(ROOT / "docs"))

import run_blocks


def test_each_reason_not_to_run_is_needed() -> None:
    texts = [block.text for page in run_blocks.pages() for block in run_blocks.blocks_of(page)]
    assert len(texts) > 70
    assert not [start for start in run_blocks.NOT_RUN if not any(text.startswith(start) for text in texts)]


def test_blocks_become_commands_with_their_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    bash = "# what follows\none  # comment\ntwo \\\n  more"
    page.write_text(f"text\n```bash\n{bash}\n```\n```python\na = 1\nb = 2\n```\n```\nno\n```\n")
    found = [(block.line, block.language, block.text) for block in run_blocks.blocks_of(page)]
    assert found == [
        (4, "bash", "one  # comment"),
        (5, "bash", "two    more"),
        (9, "python", "a = 1\nb = 2\n"),
    ]


def test_what_fails_is_told_and_what_is_not_run_says_why(tmp_path: Path) -> None:
    page, prepared = tmp_path / "page.md", tmp_path / "prepared"
    (prepared / "archive").mkdir(parents=True)
    bash = "ls /archive > listed\ndiar nothing\nkubectl apply\n"
    bash += "python benchmarks/listing.py --recordings 1 --no_such 1"
    blocks = [f"```bash\n{bash}\n```", "```python\nx = 1\n```", "```python\nassert x == 2\n```"]
    page.write_text("\n".join(blocks))
    found = list(run_blocks.run_page(page, prepared, tmp_path / "folder"))
    ran, failed, left_out = run_blocks.RAN, run_blocks.FAILED, run_blocks.LEFT_OUT
    assert [outcome.result for outcome in found] == [ran, failed, left_out, failed, ran, failed]
    assert "there is no command `diar nothing`" in found[1].told
    assert "Kubernetes" in found[2].told and "AssertionError" in found[5].told
    assert "--no_such" in found[3].told and "--recordings" not in found[3].told
    assert (tmp_path / "folder" / "listed").is_file()
