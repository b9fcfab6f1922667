"""The folder of the embedded database."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoso.process.embedded import EmbeddedServer


def test_an_existing_folder_is_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(Exception):
        pass

    def full(_: Path) -> None:
        raise Enough

    folder = tmp_path / "pg"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr("shutil.disk_usage", full)
    with pytest.raises(Enough):
        EmbeddedServer(folder).start()
    assert folder.stat().st_mode & 0o777 == 0o700
