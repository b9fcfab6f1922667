"""Reads the mailboxes: activation codes and stop results out of the inbox, back as events."""
