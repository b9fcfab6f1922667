"""A real file system of a few megabytes that can be filled: a tmpfs in a mount namespace of its own (Linux). It and what lies on
it are gone with the process that holds it, so nothing is left behind whatever happens to the test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from demo.children import die_with_parent
from tests.support.needs import absent

BALLAST = "somebody-elses.file"


class SmallDisk:
    """Use as a context manager. Only programs started by `within` see it, in `folder`."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._size = f"size={megabytes}m"
        self._holder: subprocess.Popen[str] | None = None

    def __enter__(self) -> SmallDisk:
        self.folder.mkdir(parents=True)
        try:
            said = self._mounted()
        except OSError as error:
            said = str(error)
        if said != "there":
            self.__exit__()
            absent(f"a file system of our own needs unshare and nsenter, and the right to mount: {said}")
        return self

    def _mounted(self) -> str:
        words = [
            "unshare",
            *self._as_root,
            "--mount",
            "sh",
            "-c",
            'mount -t tmpfs -o "$0" tmpfs "$1" && echo there; cat',
        ]
        self._holder = subprocess.Popen(
            [*words, self._size, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent,
        )
        assert self._holder.stdout is not None
        return self._holder.stdout.readline().strip()

    def __exit__(self, *_error: object) -> None:
        if self._holder is not None:
            self._holder.kill()
            self._holder.communicate()

    @property
    def _as_root(self) -> Sequence[str]:
        return [] if os.geteuid() == 0 else ["--user", "--map-root-user"]

    @property
    def within(self) -> Sequence[str]:
        """What a program is started by that is to see this disk."""
        assert self._holder is not None
        whose = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self._holder.pid}", *whose, "--mount", "--"]

    def fill(self) -> None:
        """Somebody else's file takes what is left."""
        ballast = str(self.folder / BALLAST)
        subprocess.run([*self.within, "dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True)
        assert self.free() == 0

    def clear(self) -> None:
        """His file is gone."""
        subprocess.run([*self.within, "rm", str(self.folder / BALLAST)], check=True)

    def free(self) -> int:
        """Bytes that are left."""
        words = [*self.within, "stat", "--file-system", "--format=%a", str(self.folder)]
        return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
