"""The chaos suite: processes are killed and stopped while enrolments run, and a judge reads what became of them.

python -m tests.chaos --help
"""
