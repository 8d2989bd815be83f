"""The word of a person before a candidate gets its first or its last share, as `release.approval` says."""
