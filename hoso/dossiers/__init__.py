"""Dossier kinds: one file a kind, from the payload of an event to the XML that is signed (domain.md §4)."""
