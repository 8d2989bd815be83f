"""Whether a part of the stack is ready: `python -I -S healthy.py URL [COMPONENT]`. The exit code is 0 when it is.

The URL has to answer 2xx. With COMPONENT the answer is that of Airflow's `/api/v2/monitor/health`, and has to call this
component healthy: it has a heartbeat that is not older than half a minute.

It runs as a file and imports little, because every part is asked every few seconds.
"""

import json
import sys
import urllib.request

ANSWER_SECONDS = 5
"""How long the answer may take. The value is a choice, below the timeout of the health checks."""


def main(arguments: list[str]) -> int:
    """Ask, and return the exit code. What is wrong is on standard error, which `docker inspect` shows."""
    url, component = arguments[0], arguments[1] if len(arguments) > 1 else ""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on loopback
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            fault = find_fault(answer.read(), component)
    except OSError as error:
        fault = str(error)
    if fault:
        print(f"{url}: {fault}", file=sys.stderr)
    return 1 if fault else 0


def find_fault(answer: bytes, component: str) -> str:
    """Why the component is not healthy, by Airflow's answer. Empty when it is, or when none is asked for."""
    if not component:
        return ""
    try:
        status = json.loads(answer)[component]["status"]
    except (ValueError, TypeError, KeyError) as error:
        return f"the answer says nothing of {component} ({error!r})"
    return "" if status == "healthy" else f"{component} is {status}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
