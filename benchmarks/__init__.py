"""What is measured, each time beside its peers and in one run."""
