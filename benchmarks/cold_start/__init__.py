"""A cold start of a service: a part of `make bench-release`."""
