"""Where everything is put together: one composition root, the supervisor, and the command line."""
