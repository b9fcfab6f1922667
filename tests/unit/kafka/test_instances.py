"""A process has its name again when it starts again, and no other process has it, on this machine or another."""

from __future__ import annotations

from pathlib import Path

from hoso.kafka.instances import instance


def test_a_name_is_had_again_and_copies_differ(tmp_path: Path) -> None:
    with instance(tmp_path, "intake") as first, instance(tmp_path, "intake") as second:
        assert first != second
    with instance(tmp_path, "intake") as again, instance(tmp_path, "signer") as other:
        assert again == first
        assert other != first


def test_machines_that_were_set_up_alike_differ(tmp_path: Path) -> None:
    """The same host's name and the same path, as of two containers: here a folder that is put in the other's place."""
    var = tmp_path / "var"
    with instance(var, "intake") as here:
        pass
    var.rename(tmp_path / "of-another-machine")
    with instance(var, "intake") as there:
        assert there != here


def test_a_name_that_was_not_written_whole_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "instances").mkdir()
    (tmp_path / "instances" / "id").write_bytes(b"")
    with instance(tmp_path, "intake") as first:
        pass
    with instance(tmp_path, "intake") as again:
        assert again == first
    assert ".." not in first
