"""Runs jobs: the supervisor, its child processes, the extraction, housekeeping."""
