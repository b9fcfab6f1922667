"""What people set up: tenants, API keys, mailboxes, signing profiles. Sealed at rest, audited, in force without a restart."""
