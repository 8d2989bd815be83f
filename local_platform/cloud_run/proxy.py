"""The data plane. Every service and every tag has an address, which passes its requests on to an instance."""

import asyncio
import logging
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from local_platform.cloud_run.identity import HEADERS, AccessRefused, remove_signature
from local_platform.cloud_run.instances import NoInstanceError, Pool, RunningInstance
from local_platform.cloud_run.metrics import Metrics

# Servers such as uvicorn close a connection after 5 idle seconds. Ours closes first, so no request meets that moment.
_KEEPALIVE_SECONDS = 2.0
_SMALL_BODY_BYTES = 65536  # up to this size a body is read and sent at once, beyond it is streamed
# The time that requests under way may take once the proxy ends. Cloud Run gives an instance as long after SIGTERM.
_DRAIN_SECONDS = 10.0
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
        *("trailer", "transfer-encoding", "upgrade", "expect"),  # `_read_small_body` has answered `Expect` already
    }
)
_CLIENT_GONE_STATUS = 499  # nobody gets this answer. It keeps a client that left from counting as a 5xx
_log = logging.getLogger(__name__)

ChoosePool = Callable[[], Pool | None]
CheckAccess = Callable[[Mapping[str, str]], None]
"""A function that takes the headers of a request. It raises `AccessRefused` if the request may not be passed on."""


class Gateway:
    """The open addresses, by name. Requests and answers are streamed. Websockets are not supported."""

    def __init__(self, metrics: Metrics):
        self._metrics = metrics
        self._runners: dict[str, web.ServerRunner] = {}
        self._closing: set[asyncio.Task[None]] = set()
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, use_dns_cache=False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,  # a body passes as it came
            cookie_jar=aiohttp.DummyCookieJar(),  # one client's cookies must not go with another's requests
            # An instance gets the client's headers, and none of this library's own.
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),  # the revision's timeout is kept by `_answer`
        )

    async def open(self, name: str, port: int, choose_pool: ChoosePool, check_access: CheckAccess) -> None:
        """Listen on 127.0.0.1, unless the address is open already. Errors: `OSError` when the port is taken."""
        if name in self._runners:
            return

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            try:
                check_access(request.headers)
            except AccessRefused as refused:
                return web.Response(status=refused.status, text=refused.text)
            return await self._answer(request, choose_pool())

        server = web.Server(handle, access_log=None, auto_decompress=False)
        runner = web.ServerRunner(server, shutdown_timeout=_DRAIN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runners[name] = runner

    def close_address(self, name: str) -> None:
        """Stop listening now. Requests in flight are still answered."""
        if runner := self._runners.pop(name, None):
            task = asyncio.create_task(runner.cleanup())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all addresses, and wait for the requests in flight up to the drain time."""
        for name in list(self._runners):
            self.close_address(name)
        await asyncio.gather(*self._closing)
        await self._session.close()

    async def _answer(self, request: web.BaseRequest, pool: Pool | None) -> web.StreamResponse:
        if pool is None:
            return web.Response(status=503, text="Service Unavailable: no revision of the service is ready.\n")
        try:
            async with asyncio.timeout(pool.plan.timeout_seconds):
                response = await self._pass_on(request, pool)
        except TimeoutError:
            text = f"The request has been terminated because it took over {pool.plan.timeout_seconds:g} s.\n"
            response = web.Response(status=504, text=text)
        self._metrics.count_request(pool.plan.service, pool.plan.revision, response.status)
        return response

    async def _pass_on(self, request: web.BaseRequest, pool: Pool) -> web.StreamResponse:
        """The answer of an instance. Only after a refused connection another instance is tried."""
        body = await _read_small_body(request)
        while True:
            try:
                instance = await pool.acquire()
            except NoInstanceError as error:
                return web.Response(status=429, text=f"{error}\n")
            try:
                return await self._exchange(request, body, instance)
            except aiohttp.ClientConnectorError:
                pool.discard(instance)
            except (aiohttp.ClientError, ConnectionError) as error:
                if _is_client_gone(request):
                    return web.Response(status=_CLIENT_GONE_STATUS)
                _log.warning("%s: %s %s: %r", pool.plan.revision, request.method, request.path, error)
                return web.Response(status=503, text="The connection to the instance had an error.\n")
            finally:
                pool.release(instance)

    async def _exchange(
        self, request: web.BaseRequest, body: bytes | None, instance: RunningInstance
    ) -> web.StreamResponse:
        url = URL(f"http://127.0.0.1:{instance.port}{request.raw_path}", encoded=True)
        data = request.content if body is None else body or None
        async with self._session.request(
            request.method, url, headers=_forward_headers(request), data=data, allow_redirects=False
        ) as upstream:
            headers = _copy_headers(upstream.headers)
            length = upstream.content_length
            if length is None or length > _SMALL_BODY_BYTES or request.method == "HEAD":
                return await _stream(request, upstream, headers)
            return web.Response(
                status=upstream.status, reason=upstream.reason, headers=headers, body=await upstream.read()
            )


async def _read_small_body(request: web.BaseRequest) -> bytes | None:
    """The body if it is small or empty. None if it is to be streamed."""
    if not request.can_read_body:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    length = request.content_length
    return await request.read() if length is not None and length <= _SMALL_BODY_BYTES else None


async def _stream(
    request: web.BaseRequest, upstream: aiohttp.ClientResponse, headers: CIMultiDict[str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except BaseException:
        if not _is_client_gone(request) and request.transport:
            request.transport.abort()  # half an answer must not look like a whole one
        raise
    return response


def _is_client_gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


def _forward_headers(request: web.BaseRequest) -> CIMultiDict[str]:
    headers = _copy_headers(request.headers)
    seen = [*request.headers.getall("X-Forwarded-For", []), request.remote or ""]
    headers["X-Forwarded-For"] = ", ".join(seen)
    headers["X-Forwarded-Proto"] = "http"
    if HEADERS[0] in headers:
        headers[HEADERS[0]] = remove_signature(headers[HEADERS[0]])
    return headers


def _copy_headers(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """All headers except those that concern one connection only (RFC 9110, section 7.6.1)."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
