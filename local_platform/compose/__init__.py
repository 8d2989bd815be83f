"""What containers of `docker-compose.yaml` run: drawing secrets, preparing databases, and asking for health."""
