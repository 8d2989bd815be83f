"""A stand-in for Cloud Run on one machine: the Admin API v2, the traffic split, and the instances behind it.

What differs from Google, on purpose:

- An image is a Bento in the local store. Its instances listen on ports of 127.0.0.1; a service's address and a
  tag's address are ports as well.
- A revision that is to get traffic has a ready instance before the traffic moves, so that moving never waits.
- A revision without traffic and tag loses its instances at once, not after a quarter of an hour.
- An instance that is a process has a few variables that an image would set for itself (`images._stand_in_for_image`).
  Of whoever started this program it has none.
- Startup probes look every 50 ms and give up where Google would (`failure_threshold` periods).
- An instance's memory is looked at four times a second (a container's is the engine's to limit); its CPU has no limit.
- Labels, service accounts, networks and volumes are kept and shown but have no effect; a second container,
  `command`, `args`, secrets, gRPC probes and manual scaling are refused.
"""
