"""What IAM allows: who may call a service, and what callers of the Admin API may do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from local_platform.cloud_run.errors import ApiError, Status
from local_platform.cloud_run.identity import Issuer, list_invokers
from local_platform.cloud_run.resources import Resource, changed
from local_platform.cloud_run.services import ServiceRecord


def name_member(name: str, project: str) -> str:
    """A service account as a policy names it."""
    return f"serviceAccount:{name}@{project}.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Access:
    """The rules of one project. Without an issuer IAM is off: everybody may call every service.

    `invokers` may call all services. `denied` are the permissions that callers of the Admin API lack.
    """

    issuer: Issuer | None
    invokers: Collection[str] = ()
    denied: Collection[str] = ()

    def check(self, headers: Mapping[str, str], record: ServiceRecord) -> None:
        """Check that a request may be passed on. Errors: `identity.AccessRefused`."""
        service = record.service
        if self.issuer is None or service.invoker_iam_disabled:
            return
        self.issuer.check(
            headers, {service.uri, *service.custom_audiences}, {*self.invokers, *list_invokers(record.bindings)}
        )

    def check_account(self, template: Resource) -> None:
        """Refuse a revision that acts as an account which is not there. Without accounts each is taken."""
        email = template.service_account
        if self.issuer is not None and email and not self.issuer.has_account(email):
            raise ApiError(
                Status.PERMISSION_DENIED,
                f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it may not exist).",
            )

    def mark(self, record: ServiceRecord) -> ServiceRecord:
        """The record, which says that its service asks for no token where IAM is off."""
        if self.issuer is not None or record.service.invoker_iam_disabled:
            return record
        return replace(
            record, service=changed(record.service, lambda copy: setattr(copy, "invoker_iam_disabled", True))
        )

    def list_permissions(self, asked: Sequence[str]) -> list[str]:
        """Those of the permissions that callers of the Admin API have."""
        return [permission for permission in asked if permission not in self.denied]
