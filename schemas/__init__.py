"""What travels between services: events, topics, golden examples. Nothing here does I/O."""
