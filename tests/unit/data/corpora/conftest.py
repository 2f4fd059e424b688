"""The fixtures of `local_server`, here."""

from local_server import dead_url, server  # noqa: F401
