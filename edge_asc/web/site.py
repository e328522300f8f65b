"""Which paths there are, and who may ask for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge_asc.web.access import Access
from edge_asc.web.http import Answer, Request, Stream, plain

Handler = Callable[[Request], Awaitable["Answer | Stream"]]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers one path."""

    method: str
    handler: Handler
    is_public: bool = False
    """Whether it needs no token, where there is one"""


class Site:
    """The paths of one server."""

    def __init__(self, access: Access, routes: dict[str, Route]) -> None:
        self.access, self._routes = access, routes

    def add(self, path: str, route: Route) -> None:
        """One more path."""
        self._routes[path] = route

    async def answer(self, request: Request) -> Answer | Stream:
        """What `request` is told."""
        if self.access.is_foreign(request):
            return plain(403, "Another site, or a name that is not this server's")
        route = self._routes.get(request.path)
        is_public = route is not None and route.is_public
        if not is_public and not self.access.is_allowed(request):
            return refusal(self.access, request)
        if route is None:
            return plain(404)
        if request.method != route.method:
            return plain(405, "", ("Allow", route.method))
        return await route.handler(request)


def refusal(access: Access, request: Request) -> Answer:
    """What is said without the right token."""
    if access.is_barred(request.client):
        return plain(429, "Too many wrong tokens; wait a minute", ("Retry-After", "60"))
    return plain(401, "A token is needed", ("WWW-Authenticate", "Bearer"))
