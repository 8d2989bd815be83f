"""How much time each part of an orderly end may take, from SIGTERM to the end of the process."""

# Cloud Run kills ten seconds after SIGTERM. The three parts of an orderly end come to nine: requests under way, the
# log, and the second that an attempt of the log may run over.
FINISH_SECONDS = 3
"""How long requests under way may take after SIGTERM. The connections of those that take longer are closed."""
DRAIN_SECONDS = 5
"""How long the log may take after that to send what waits and to sign off."""
LABEL_SECONDS = 30
"""How long Postgres may take for a statement of a label request. It is answered with 503 then, and no label is kept."""
