"""PostgreSQL: the server, connections, migrations; and what lives beside the log: vault, unit registry, set-up."""
