package target

// Help lists the endpoints, for a terminal. Query parameters are optional and shown with their defaults.
const Help = `/                  Hello, World!
/bytes/{n}         n bytes with Content-Length; n takes KiB, MiB, GiB
/stream/{n}        n bytes without Content-Length
/drip?bytes=10&every=1s&size=1
                   so many bytes, size at a time
/delay/{duration}?seed=
                   after a timer; also by weights, 1ms:90,500ms:10, or by
                   percentiles, p50=10ms,p99=200ms; a seed repeats the draw
/status/{code}     that status
/unstable?fail=0.1&status=503&seed=
                   now and then a failure
/echo?after=0      the request's content, while it arrives; after=1: once it
                   is complete, 16 MiB at most
/upload?rate=      length and SHA-256 of the content, read at rate bytes a second
/headers           what the server has seen of the request
/trailers          content and trailers
/offload/{duration}
                   after a blocking sleep on the pool
/fanout?n=10&delay=0s&deadline=1s&seed=&backend=
                   n delays of its own, or of each backend in turn, such as
                   h2c://127.0.0.1:9000, and which came within the deadline
/events?n=1000000000&every=1s
                   server-sent events
/ws  /ws/chat  /ws/flood?n=1000&size=1KiB
                   WebSocket: an echo, a room, so many messages
/file/             files of --root
/count?reset=0     what the server has counted; POST with reset=1 resets it
/healthz  /readyz  200; readyz is 503 once the server is told to stop,
                   and while it is short of memory
/stall/{duration}?spin=0
                   blocks its loop; only with --allow-stall

timing=1 in a query adds Server-Timing: queue, handler and first-byte in
milliseconds. Unknown parameters get 400, except for /headers, /healthz,
/readyz and /file/. Other methods get 405 with Allow, OPTIONS 204 with Allow.
`
