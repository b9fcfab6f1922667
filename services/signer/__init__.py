"""Puts dossiers into XML, has them signed, and verifies every signature before it leaves."""
