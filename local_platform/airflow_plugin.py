"""A plugin of Airflow by which its pages load nothing from another host.

It works where `[cyclone] refuse_foreign_content` is on. Airflow's own switch, `[api] enable_swagger_ui`, is not enough.
It leaves the Swagger pages of the login and of the tasks' API, which tell other hosts who opens them. The local
platform sets both. Any other Airflow is left as it is.
"""

from typing import Any

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from local_platform.content_policy import ContentPolicy


class PagesPlugin(AirflowPlugin):
    """The plugin that Airflow finds by the entry point `airflow.plugins`."""

    name = "cyclone_pages"
    fastapi_root_middlewares: list[dict[str, Any]] = (
        [{"name": "content policy", "middleware": ContentPolicy}]
        if conf.getboolean("cyclone", "refuse_foreign_content", fallback=False)
        else []
    )
