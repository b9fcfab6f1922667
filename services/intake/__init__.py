"""Requests in: sheets, HTTP, the requests topic. Validated, de-duplicated, then told to the log."""
