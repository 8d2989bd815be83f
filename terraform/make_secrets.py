"""Print new secrets for the variable `secrets`, as JSON.

    export TF_VAR_secrets="$(python3 terraform/make_secrets.py)"

Run it before each plan and apply. Terraform writes the values when `secrets_version` changes, and only then.
"""

import base64
import json
import os

NAMES = (
    "airflow_fernet_key",
    "airflow_jwt_key",
    "database_airflow",
    "database_airflow_metadata",
    "database_grafana",
    "database_mlflow",
    "database_owner",
    "database_serving",
    "grafana_admin",
)
# The form of a Fernet key, which Airflow asks for: 32 bytes.
RANDOM_BYTES = 32

if __name__ == "__main__":
    print(json.dumps({name: base64.urlsafe_b64encode(os.urandom(RANDOM_BYTES)).decode() for name in NAMES}))
