"""Text that PostgreSQL takes: others' words come into error texts, and it refuses NUL and half a surrogate pair."""


def writable(text: str) -> str:
    """The text, with U+FFFD in place of what cannot be written."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")
