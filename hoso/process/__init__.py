"""What makes a service a process: its log files, its /health and /metrics, its signals."""
