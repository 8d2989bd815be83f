"""What a revision carries, and how its service is called."""
