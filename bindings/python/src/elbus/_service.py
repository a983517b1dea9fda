"""What a service does: methods by name, their params, and what becomes of their errors."""

from __future__ import annotations

import inspect
import logging
from typing import Any, Callable, NamedTuple, Optional, TypeVar, Union, cast, overload

from . import _names
from ._codecs import BYTES, Codec, message_pack
from ._errors import Error, RpcError, SettingError
from ._settings import within
from ._types import Frame
from ._wire import rpc_bus_error

log = logging.getLogger("elbus")

Handler = TypeVar("Handler", bound=Callable[..., Any])

_DESCRIBE = ".describe"


class Context(NamedTuple):
    """Who calls what: the first argument of a method that was registered with `context=True`."""

    #: The full name of the caller.
    caller: str
    #: The method.
    method: str
    #: Whether the caller asked for real-time.
    realtime: bool
    #: Whether the caller waits for a result.
    wants_reply: bool
    #: The RPC layer that serves, to call others with: an `elbus.Rpc` or an `elbus.aio.Rpc`.
    rpc: Any


class Method:
    """One method of a service."""

    def __init__(self, name: str, handler: Callable[..., Any], raw: bool, context: bool) -> None:
        self.name = name
        self.handler = handler
        self.raw = raw
        self.context = context
        self.is_async = inspect.iscoroutinefunction(handler)
        self.description = (inspect.getdoc(handler) or "").split("\n", 1)[0]
        parameters = list(inspect.signature(handler).parameters.values())[1 if context else 0 :]
        kinds = inspect.Parameter
        by_name = (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
        self._names = {p.name for p in parameters if p.kind in by_name}
        self._required = {p.name for p in parameters if p.kind in by_name and p.default is kinds.empty}
        self._positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, by_name[0])]
        self._any_name = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
        self._any_number = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)

    def arguments(self, codec: Codec, params: bytes, context: Context) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a call. Raises `RpcError` for params that the method does not take."""
        first: list[Any] = [context] if self.context else []
        if self.raw:
            return [*first, params], {}
        try:
            value = codec.decode(params) if params or codec is BYTES else None
        except (ValueError, TypeError) as error:
            raise RpcError(RpcError.PARSE, f"the params cannot be decoded: {error}") from error
        if value is None:
            value = {}
        if isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            self._check_names(named)
            return first, named
        values: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore
        least = sum(1 for p in self._positional if p.default is inspect.Parameter.empty)
        if len(values) < least or (len(values) > len(self._positional) and not self._any_number):
            raise RpcError(RpcError.INVALID_PARAMS, f"{self.name} does not take {len(values)} params by position")
        return first + values, {}

    def _check_names(self, value: dict[Any, Any]) -> None:
        missing = self._required - value.keys()
        if missing:
            raise RpcError(RpcError.INVALID_PARAMS, f"{', '.join(sorted(missing))}: missing")
        unknown = [str(key) for key in value if not isinstance(key, str) or key not in self._names]
        if unknown and (not self._any_name or not all(isinstance(key, str) for key in value)):
            raise RpcError(RpcError.INVALID_PARAMS, f"{', '.join(sorted(unknown))}: unknown")


class ServiceBase:
    """The methods of a service, by name.

    Params that are a map are the arguments by name, an array the arguments by position, anything else the only
    argument. A handler that raises `RpcError` answers with that error; any other exception is logged and answered as
    `INTERNAL`.
    """

    def __init__(self, *, codec: Optional[Codec] = None, concurrent: int = 8, waiting_requests: int = 1024) -> None:
        within("concurrent", concurrent, 1, 65_536)
        within("waiting_requests", waiting_requests, 0, 1_048_576)
        #: How params and results travel.
        self.codec = codec if codec is not None else message_pack()
        #: Calls that are handled at the same time.
        self.concurrent = concurrent
        #: Calls that wait for that; beyond it calls are answered *busy* at once.
        self.waiting_requests = waiting_requests
        self._methods: dict[bytes, Method] = {}
        self._on_notification: Optional[Callable[[Frame], Any]] = None
        describe = Method(_DESCRIBE, self._describe, raw=False, context=False)
        describe.description = "What this service can do."
        self._methods[_DESCRIBE.encode()] = describe

    @overload
    def method(self, handler: Handler) -> Handler: ...
    @overload
    def method(
        self, *, name: Optional[str] = ..., raw: bool = ..., context: bool = ...
    ) -> Callable[[Handler], Handler]: ...
    def method(
        self,
        handler: Optional[Handler] = None,
        *,
        name: Optional[str] = None,
        raw: bool = False,
        context: bool = False,
    ) -> Union[Handler, Callable[[Handler], Handler]]:
        """Register a function as a method: `@service.method`, or `@service.method(name="start.now")`.

        `raw`: it takes the params as they came and returns bytes. `context`: its first argument is a `Context`. The
        first line of its docstring is told to those who ask for `.describe`.
        """

        def register(handler: Handler) -> Handler:
            called = name if name is not None else handler.__name__
            encoded = _names.method(called)
            if called.startswith("."):
                raise SettingError(f"{called!r}: methods with a leading dot are the layer's own")
            if encoded in self._methods:
                raise SettingError(f"{called!r} is registered already")
            method = Method(called, handler, raw, context)
            self._check_handler(method.handler)
            self._methods[encoded] = method
            return handler

        return register if handler is None else register(handler)

    def on_notification(self, handler: Handler) -> Handler:
        """Register the function that is given notifications, as frames without the first byte."""
        self._check_handler(handler)
        self._on_notification = handler
        return handler

    def _check_handler(self, handler: Callable[..., Any]) -> None:
        """Refuse what this kind of service cannot run."""

    def _find(self, name: bytes) -> Method:
        method = self._methods.get(name)
        if method is None:
            raise RpcError(RpcError.METHOD_NOT_FOUND, f"no method {name.decode('utf-8', 'replace')!r}")
        return method

    def _encode(self, method: Method, result: Any) -> bytes:
        codec = BYTES if method.raw else self.codec
        try:
            return codec.encode(result)
        except (ValueError, TypeError, OverflowError) as error:
            log.error("the result of %s cannot be encoded: %s", method.name, error)
            raise RpcError(RpcError.INTERNAL, f"the result cannot be encoded: {error}") from error

    def _describe(self) -> dict[str, Any]:
        methods = sorted(self._methods.values(), key=lambda method: method.name)
        listed = [{"name": m.name, "description": m.description} for m in methods if m.name != _DESCRIBE]
        return {"methods": listed}


def failure_of(method: bytes, error: BaseException) -> tuple[int, bytes]:
    """Return the code and the reason with which a failed call is answered."""
    if isinstance(error, RpcError):
        return error.rpc_code, error.payload
    name = method.decode("utf-8", "replace")
    if isinstance(error, Error):
        log.warning("method %s: %s", name, error)
        return rpc_bus_error(error.code), str(error).encode()
    log.error("method %s failed", name, exc_info=error)
    return RpcError.INTERNAL, f"{type(error).__name__}: {error}".encode("utf-8", "replace")


def busy() -> tuple[int, bytes]:
    """Return what a call is answered with when too many wait."""
    from ._types import Code

    return rpc_bus_error(Code.BUSY), b"too many calls wait"
