"""Kafka behind the log's port: PostgreSQL stays the outbox, `relay` moves it, consumers read Kafka."""
