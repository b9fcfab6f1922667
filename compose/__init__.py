"""The deployment with containers, and the same without them (docs/compose.md)."""
