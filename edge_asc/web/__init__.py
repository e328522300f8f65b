"""The web page and Prometheus metrics: a small HTTP server beside the listener.

    listening --> lane --> WebOutput --> LiveState, EventFeed, History
                                              ^
    browser  <-->  HttpServer (a thread)  -->  Site: routes, access

`server` alone knows tornado; all else takes a `Request` and gives an `Answer`.
"""
