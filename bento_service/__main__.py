"""How a container starts the service: without a shell, on the port that Cloud Run names in `PORT`.

The working folder is the bundle's root.
"""

import os
import sys

COMMAND = ["-m", "bentoml", "serve", "bento_service.service:PredictionService", "--host", "0.0.0.0"]  # noqa: S104

if __name__ == "__main__":
    port = os.environ.get("PORT", "8080")
    os.execv(sys.executable, [sys.executable, *COMMAND, "--port", port, "--api-workers", "1"])  # noqa: S606
