"""A notifier for about a hundred services by Apprise, which fails when a service does not take the message."""

from typing import Any

from airflow.providers.apprise.notifications.apprise import AppriseNotifier

from cyclone.errors import MessageError


class StrictAppriseNotifier(AppriseNotifier):
    """Airflow's notifier for Apprise, without its silence: that one drops Apprise's answer (seen in provider 2.4.1)."""

    def notify(self, context: Any) -> None:
        """Send the message. Errors: `MessageError` when no service of the connection has taken it."""
        import apprise

        services = apprise.Apprise()
        self.hook.set_config_from_conn(self.hook.get_connection(self.apprise_conn_id), services)
        if not services.notify(self.body, self.title or "", tag=self.tag):
            raise MessageError(
                f"a service of the connection {self.apprise_conn_id} did not take the message."
                " The lines of Apprise above say which, and why"
            )
