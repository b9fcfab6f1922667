"""A remote signing service as seen by a partner (domain.md §5.2), with people's phones and a ledger of what they were shown.

It has keys of its own, made when it first starts. It imports nothing of hoso, and nothing of hoso imports it.
"""
