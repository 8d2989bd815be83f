"""Requests of a rehearsal: logged requests that are played again to a candidate before it has traffic.

Their answers are not logged. So a request counts as one of a rehearsal only with the token that the revision was
deployed with, and only until the time that stands behind the token's dot. Whoever reads the revision reads the token.
"""

import hmac
import os
import time
from collections.abc import Mapping

from cyclone.image_contract import REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE

TOKEN = os.environ.get(REHEARSAL_TOKEN_VARIABLE, "")


def is_rehearsal(headers: Mapping[str, str]) -> bool:
    """Whether the request bears this revision's token."""
    return bool(TOKEN) and hmac.compare_digest(headers.get(REHEARSAL_HEADER, "").encode(), TOKEN.encode())


def is_expired(token: str = TOKEN) -> bool:
    """Whether the time in a token is over. A token without a time, given by hand, has no end."""
    end = token.rpartition(".")[2] if "." in token else ""
    return end.isdecimal() and time.time() > int(end)
