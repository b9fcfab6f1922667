"""Many printed forms as one file, for one print."""

from __future__ import annotations

import io
from collections.abc import Iterable

from pypdf import PdfReader, PdfWriter


def bundle(pdfs: Iterable[bytes], *, both_sides: bool = False) -> bytes:
    """One PDF with the pages of all, in order; the same input gives the same bytes. Raises ValueError for nothing at all.

    `both_sides` puts an empty page behind a form with an odd number of pages, so that a duplex printer begins the next
    one on a new sheet. Only for forms that `printed` wrote: what comes from outside is never opened.
    """
    writer = PdfWriter()
    for pdf in pdfs:
        writer.append(PdfReader(io.BytesIO(pdf)), import_outline=False)
        if both_sides and len(writer.pages) % 2:
            writer.add_blank_page()
    if not writer.pages:
        raise ValueError("nothing to bundle")
    # every form brings the same fonts
    writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
    writer.metadata = None
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
