"""Releasing a version: candidate, rehearsal, canary, promotion and roll-back. Each function can run twice."""
