"""The embedded server's folder."""

from __future__ import annotations

from pathlib import Path

from hoso.process.embedded import EmbeddedServer


def test_an_existing_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    folder.mkdir(mode=0o755)
    server = EmbeddedServer(folder, settings={"fsync": "off"})
    server.start()
    try:
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
