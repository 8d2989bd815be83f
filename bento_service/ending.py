"""The time that each part of an orderly end may take, from SIGTERM to the end of the process."""

# Cloud Run kills a process ten seconds after SIGTERM. The three parts of an orderly end come to nine seconds: requests
# under way take three, the log five, and an attempt of the log may run over by one.
FINISH_SECONDS = 3
"""The time that requests under way may take after SIGTERM. The connections of those that take longer are closed."""
DRAIN_SECONDS = 5
"""The time that the log may take after that to send the rows that wait and to sign off."""
LABEL_SECONDS = 30
"""The time that Postgres may take for a statement of a label request.

After that the request is answered with 503, and no label is kept.
"""
