-- Let this transaction see what another transaction sees, by the snapshot that it has exported.
-- params: snapshot text
-- returns: nothing
SET TRANSACTION SNAPSHOT %(snapshot)s -- noqa: PRS
