"""The commands, one file a group. Whatever is slow to import is imported inside the command that needs it."""
