"""Requests of a rehearsal: logged ones, played again to a candidate before it has traffic. They are no traffic.

Only who knows the token that the revision was deployed with can mark a request so: nobody else may have an answer
that is not logged.
"""

import hmac
import os
from collections.abc import Mapping

from cyclone.image_contract import REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE

TOKEN = os.environ.get(REHEARSAL_TOKEN_VARIABLE, "")


def is_rehearsal(headers: Mapping[str, str]) -> bool:
    """Whether the request bears this revision's token."""
    return bool(TOKEN) and hmac.compare_digest(headers.get(REHEARSAL_HEADER, "").encode(), TOKEN.encode())
