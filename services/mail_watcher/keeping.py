"""What is kept of an activation mail: everything a reader sees of it except the code."""

from __future__ import annotations

import re

from services.mail_watcher.parser import ParsedMail
from services.mail_watcher.secret import Secret


def without_code(mail: ParsedMail, code: Secret) -> bytes:
    """The headers that count and the texts as they were read, with X for every character of the code.

    The mail's own bytes are not kept: they may hold the code in any encoding, hidden text or header.
    """
    head = {
        "From": mail.sender,
        "To": ", ".join(mail.addressees),
        "Subject": mail.subject,
        "Message-ID": mail.message_id,
    }
    lines = [f"{name}: {value}" for name, value in head.items()]
    text = "\r\n".join([*lines, "", *(body.replace("\n", "\r\n") for body in mail.bodies)])
    letters = [re.escape(letter) for letter in code.reveal()]
    return re.sub(r"\s*".join(letters), "X" * len(letters), text, flags=re.IGNORECASE).encode("utf-8", "replace")
