"""The prediction log of a serving instance: the spool, its writer, the ledger, request counts and metrics."""
