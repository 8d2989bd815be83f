"""The doctor: it checks an installation from end to end, and says for each fault what mends it."""
