"""The links that Airflow shows beside a task of a retraining. They lead to pages elsewhere."""

from typing import Any

from airflow.sdk import BaseOperatorLink


class ValidationLink(BaseOperatorLink):
    """The extra link of the task `validate`. It leads to Great Expectations' page, whether or not the data passed."""

    PAGE = "validation_page"
    name = "Validation page"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return _read_page(ti_key, self.PAGE)


class GateLink(BaseOperatorLink):
    """The extra link of the task `gate`. It leads to its numbers in MLflow, whatever the decision was."""

    PAGE = "gate_page"
    name = "Gate decision"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return _read_page(ti_key, self.PAGE)


def _read_page(ti_key: Any, key: str) -> str:
    """The link as the task made it. Airflow 3 keeps it with the run and shows it without asking again.

    It holds the address that MLflow had then, so it is for people only. A platform keeps its ports from start to
    start, and so the link stays right.
    """
    from airflow.sdk.execution_time.xcom import XCom

    return str(XCom.get_value(ti_key=ti_key, key=key) or "")
