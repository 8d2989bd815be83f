"""Requests of a rehearsal: logged requests that are played again to a candidate before it has traffic.

Their answers are not logged. So a request counts as one of a rehearsal only with the token that the revision was
deployed with.
"""

import hmac
import os
from collections.abc import Mapping

from cyclone.image_contract import REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE

TOKEN = os.environ.get(REHEARSAL_TOKEN_VARIABLE, "")


def is_rehearsal(headers: Mapping[str, str]) -> bool:
    """Whether the request bears this revision's token."""
    return bool(TOKEN) and hmac.compare_digest(headers.get(REHEARSAL_HEADER, "").encode(), TOKEN.encode())
