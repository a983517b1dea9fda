"""The settings of a client: what they bound, their defaults, and the ranges outside of which they are refused."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Optional, TypedDict

from ._errors import SettingError

if TYPE_CHECKING:
    from typing_extensions import Unpack

KIB, MIB = 1024, 1024 * 1024


class Options(TypedDict, total=False):
    """Settings of a client, given by name; times in seconds, sizes in bytes.

    | setting | default | range | bounds |
    | --- | --- | --- | --- |
    | `timeout` | 5 | 0.01 to 3600 | connecting, the answer to an operation, the drain of `close`, a broker's silence |
    | `reconnect` | True | | whether a lost connection is tried again |
    | `backoff` | (0.1, 1) | 0.001 to 3600 | the first and the longest delay before that |
    | `retry_first_connect` | 0 | 0 to 86400 | how long the first connection is tried for |
    | `wait_while_disconnected` | 0 | 0 to 86400 | how long an operation waits for a connection |
    | `outbox_limit` | 1 MiB | 1 to 2 GiB | bytes not yet written, beyond which operations wait |
    | `inbox_limit` | 8 MiB | 1 to 2 GiB | bytes unread, beyond which the client stops reading |
    | `inbox_hard_limit` | 64 MiB | `inbox_limit` to 2 GiB | the same while operations wait for an answer |
    | `frame_limit` | 64 MiB | 1 to 2 GiB | the body of a frame |
    | `in_flight_limit` | 65536 | 1 to 524288 | operations without an answer, beyond which others wait |
    | `filter_limit` | 65536 | 0 to 1048576 | filters subscribed and excluded together |
    | `buf_ttl` | 0.001 | 0 to 1 | how long unacknowledged frames of a burst are gathered |
    | `ping_interval` | 1 | 0.01 to 3600 | how often the broker is pinged, or asked for a sign of life |
    """

    timeout: float
    reconnect: bool
    backoff: tuple[float, float]
    retry_first_connect: float
    wait_while_disconnected: float
    outbox_limit: int
    inbox_limit: int
    inbox_hard_limit: int
    frame_limit: int
    in_flight_limit: int
    filter_limit: int
    buf_ttl: float
    ping_interval: float


@dataclass(frozen=True)
class Settings:
    """The settings of one client, checked."""

    timeout: float = 5.0
    reconnect: bool = True
    backoff: tuple[float, float] = (0.1, 1.0)
    retry_first_connect: float = 0.0
    wait_while_disconnected: float = 0.0
    outbox_limit: int = MIB
    inbox_limit: int = 8 * MIB
    inbox_hard_limit: int = 64 * MIB
    frame_limit: int = 64 * MIB
    in_flight_limit: int = 65_536
    filter_limit: int = 65_536
    buf_ttl: float = 0.001
    ping_interval: float = 1.0

    @classmethod
    def of(cls, **options: Unpack[Options]) -> Settings:
        """Check the settings; what is not given is as by default."""
        unknown = set(options) - {field.name for field in fields(cls)}
        if unknown:
            raise SettingError(f"no such setting: {', '.join(sorted(unknown))}")
        settings = cls(**options)
        settings._check()
        return settings

    def _check(self) -> None:
        first, longest = self.backoff
        largest = 2048 * MIB
        within("timeout", self.timeout, 0.01, 3600)
        within("backoff", first, 0.001, 3600)
        within("backoff", longest, first, 3600)
        within("retry_first_connect", self.retry_first_connect, 0, 86_400)
        within("wait_while_disconnected", self.wait_while_disconnected, 0, 86_400)
        within("outbox_limit", self.outbox_limit, 1, largest)
        within("inbox_limit", self.inbox_limit, 1, largest)
        within("inbox_hard_limit", self.inbox_hard_limit, self.inbox_limit, largest)
        within("frame_limit", self.frame_limit, 1, largest)
        within("in_flight_limit", self.in_flight_limit, 1, 524_288)
        within("filter_limit", self.filter_limit, 0, 1_048_576)
        within("buf_ttl", self.buf_ttl, 0, 1)
        within("ping_interval", self.ping_interval, 0.01, 3600)


def within(setting: str, value: float, least: float, most: float) -> None:
    """Refuse a value out of its range."""
    # Written so that NaN is refused as well.
    if not least <= value <= most:
        raise SettingError(f"{setting} must be from {least:g} to {most:g}, not {value!r}")


def patience(given: Optional[float], default: float) -> float:
    """Return how long to wait: what was given for this one time, else the default."""
    if given is None:
        return default
    within("timeout", given, 0, 86_400)
    return given
