"""The event log: topics, partitions, offsets, positions."""
