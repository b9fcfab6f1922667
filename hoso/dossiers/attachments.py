"""Files that travel inside a first-time dossier: what they are is read from their bytes; they are never opened."""

from __future__ import annotations

MAX_BYTES = 2 * 1024 * 1024
"""One file."""
MAX_TOTAL = 3 * 1024 * 1024
"""All files of a dossier: 4 MiB as base64, so that the signed dossier stays below the 5 MiB of `safexml`."""
MAX_FILES = 10
MAX_NAME = 150
"""Characters of a file's name, with room for a right ending behind it."""
