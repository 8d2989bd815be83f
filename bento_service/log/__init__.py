"""What a serving instance keeps and sends: the spool, its writer, the ledger, request counts and metrics."""
