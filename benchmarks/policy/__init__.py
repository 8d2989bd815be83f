"""The benchmark of the policy: `make bench-policy` runs it as a module."""
