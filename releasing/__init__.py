"""What brings a version into traffic: candidate, rehearsal, canary, promotion, and back."""
