-- Lets this transaction see what another one sees.
-- params: snapshot text
-- returns: nothing
SET TRANSACTION SNAPSHOT %(snapshot)s -- noqa: PRS
