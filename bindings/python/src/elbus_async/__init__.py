"""The package `elbus_async` as it was published, on today's Python; for new programs there is `elbus.aio`."""

from elbus import __version__

from . import client, rpc

__all__ = ["__version__", "client", "rpc"]
