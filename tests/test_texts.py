"""YAML and JSON of others: parsed, or refused quickly with a reason, and never anything else."""

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from diar.texts import from_json, from_yaml, read_toml, read_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{one}: &{one} [{','.join([f'*{other}'] * 9)}]\n"
    for other, one in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED = {
    "bomb": (BOMB, "aliases counted"),
    "merge bomb": (BOMB.replace("[x,x,x,x,x,x,x,x,x]", "{x: 1}"), "aliases counted"),
    "recursive": ("a: &a [*a]", "within its own anchor"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deep blocks": ("".join(" " * n + "-\n" for n in range(300)), "nested too deeply"),
    "digits": ("a: " + "9" * 5000, "5000 digits"),
    "large": ("# " + "x" * 300_000, "over 256 kB"),
    "odd date": ("a: !!timestamp x", "NoneType"),
    "code": ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
    "no key": ("? [a]\n: b\n? {c: [1]}\n", "unhashable key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_yaml_that_asks_for_too_much_is_refused_at_once(name: str) -> None:
    text, reason = REFUSED[name]
    started = time.process_time()
    with pytest.raises(ValueError, match=reason):
        from_yaml(text)
    assert time.process_time() - started < 5


def test_dates_and_numbers_of_base_60_are_texts() -> None:
    document = "a: 2024-01-01\nb: 12:30:00\nc: 1:1.5\nd: 0x1F\ne: 1.5\nf: .inf\ng: [&x 1, *x]\n"
    assert from_yaml(document) == {
        "a": "2024-01-01", "b": "12:30:00", "c": "1:1.5", "d": 31, "e": 1.5, "f": float("inf"), "g": [1, 1],
    }  # fmt: skip


def test_a_yaml_file_is_read_to_its_limit_only(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")
    with pytest.raises(ValueError, match="over 256 kB"):
        read_yaml(Path("/dev/zero"))


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), st.lists, max_leaves=9)
)
def test_what_yaml_writes_is_read_as_it_was(value: object) -> None:
    assert from_yaml(yaml.safe_dump(value)) == value


def test_json_nested_or_with_numbers_without_end() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        from_json("[" * 10**6)
    assert from_json(f"[1, {'9' * 5000}, {2**60}]") == [1, float("inf"), 2**60]


def test_a_toml_file_is_read_to_its_limit_only(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[model.args]\nchunk_size = 16\nwavlm_src = "wavlm_large_s80_md"\n')
    assert read_toml(file) == {"model": {"args": {"chunk_size": 16, "wavlm_src": "wavlm_large_s80_md"}}}
    for content, error in (
        (b"a = \xe9", "not UTF-8"),
        (b"a = [", "."),
        (b"a = " + 100_000 * b"[", "."),
        (b"#" * 300_000, "over 256 kB"),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=error):
            read_toml(file)
    with pytest.raises(ValueError, match="over 256 kB"):
        read_toml(Path("/dev/zero"))
