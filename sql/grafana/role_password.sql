-- Sets the password of the role that Grafana reads with.
-- params: password (as a SCRAM verifier, so that no log of the server can hold the password)
-- returns: nothing
ALTER ROLE cyclone_grafana PASSWORD %(password)s -- noqa: PRS
