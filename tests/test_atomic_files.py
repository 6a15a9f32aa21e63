"""A file appears whole or not at all."""

from pathlib import Path

import pytest

from pkmodels.atomic_files import replace_atomically, write_text_atomically


def test_text_is_written_with_plain_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    write_text_atomically(path, "µ\n1\n")
    assert path.read_bytes() == b"\xc2\xb5\n1\n"
    write_text_atomically(path, "2")
    assert path.read_bytes() == b"2"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")

    def write_half() -> None:
        with replace_atomically(path) as temporary:
            assert temporary.suffix == ".json"
            assert temporary.parent == tmp_path
            temporary.write_text("ha")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        replace_atomically(tmp_path / "result.json"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_text_that_cannot_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(tmp_path / "note.txt", "\ud800")
    assert list(tmp_path.iterdir()) == []
