"""HTML to the text a reader sees: hidden elements dropped, table cells and blocks on lines of their own."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 "
        "header hr "
        "li main nav ol p pre section table tbody td tfoot th thead tr ul",
    )
)
_UNSEEN = frozenset(("head", "noframes", "object", "script", "style", "svg", "template", "textarea", "title"))
_VOID = frozenset(re.findall(r"\w+", "area base br col embed hr img input link meta source track wbr"))
_HIDING = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|mso-hide:all|(?<![\w-])opacity:0(?![.\d]*[1-9])"
    r"|(?:font-size|max-height|max-width):0(?![.\d]*[1-9])"
)
_QUOTED = re.compile(r"gmail_quote|moz-cite|yahoo_quoted|OutlookMessageHeader", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")
QUOTE_MARK = "> "


def _hides(attributes: dict[str, str | None]) -> bool:
    if "hidden" in attributes:
        return True
    style = attributes.get("style")
    return bool(style) and _HIDING.search(_BLANKS.sub("", style or "").lower()) is not None


def _quotes(tag: str, attributes: dict[str, str | None]) -> bool:
    if tag == "blockquote" and (attributes.get("type") or "").lower() == "cite":
        return True
    return _QUOTED.search(attributes.get("class") or "") is not None


class _Reader(HTMLParser):
    """Counts only elements of the tag that hides or quotes, so that unclosed tags inside cannot confuse it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._hider = ""
        self._hidden = 0
        self._quoter = ""
        self._quoted = 0

    def _break(self) -> None:
        self.out.append("\n" + QUOTE_MARK if self._quoted else "\n")

    def updatepos(self, i: int, j: int) -> int:
        """Nobody asks for line numbers, and counting them costs a tenth of the time."""
        return j

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden and ((tag == "body" and self._hider == "head") or (tag == "p" == self._hider)):
            self._hidden = 0  # both end the hiding element though nobody closed it
        if self._hidden:
            self._hidden += tag == self._hider
            return
        attributes = dict(attrs)
        if tag not in _VOID and (tag in _UNSEEN or _hides(attributes)):
            self._hider, self._hidden = tag, 1
            return
        if self._quoted:
            self._quoted += tag == self._quoter
        elif tag not in _VOID and _quotes(tag, attributes):
            self._quoter, self._quoted = tag, 1
        if tag in _BLOCKS:
            self._break()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)
        else:
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            self._hidden -= tag == self._hider
            return
        if self._quoted:
            self._quoted -= tag == self._quoter
        if tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.out.append(_BLANKS.sub(" ", data))


def seen_text(html: str) -> str:
    """The text of `html` as a reader sees it; quoted parts begin their lines with `> `.

    Linear: the parser is fed once and never closed, because closing makes it search an unfinished construct again from
    every character (CVE-2025-6069). What follows an unfinished construct is lost. Raises AssertionError on declarations
    that html.parser cannot read.
    """
    reader = _Reader()
    reader.feed(html + "<br>")
    return "".join(reader.out)
