"""A stand-in for Cloud Run on one machine: the Admin API v2, the traffic split, and the instances behind it.

It differs from Google on purpose in these points:

- An image is a Bento in the local store. Its instances listen on ports of 127.0.0.1. The addresses of a service and
  of a tag are such ports as well.
- A revision that is to get traffic has a ready instance before the traffic moves, so that moving never waits.
- A revision without traffic and tag loses its instances at once, not after a quarter of an hour.
- An instance that is a process has a few variables that an image would set for itself (`images._stand_in_for_image`).
  It has no variable of whoever started this program.
- Startup probes look every 50 ms and give up where Google would, after `failure_threshold` periods.
- The memory of an instance that is a process is looked at four times a second. A container's memory is limited by
  the engine. CPU has no limit.
- Labels, service accounts, networks and volumes are kept and shown, but have no effect.
- A second container, `command`, `args`, secrets, gRPC probes and manual scaling are refused.
"""
