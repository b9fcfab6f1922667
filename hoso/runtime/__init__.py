"""What every service runs on: the consumer loop, the lanes of calls, timers, held units, health and metrics."""
