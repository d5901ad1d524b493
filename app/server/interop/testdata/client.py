"""Talks to the server with Python's websockets and reports what it heard, as JSON."""
import asyncio
import json
import ssl
import sys

import websockets

url, mode = sys.argv[1:]
options = {"compression": "deflate" if mode == "packed" else None, "max_size": None}
if url.startswith("wss:"):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    options["ssl"] = context


def connect(path, **extra):
    return websockets.connect(url + path, **options, **extra)


async def main():
    report = {"Echoed": 0}
    for path in "/ws", "/ws/keeping":
        async with connect(path) as socket:
            report["Extensions"] = socket.response_headers.get("Sec-WebSocket-Extensions", "")
            for sample in "", "hello", "x" * 126, "κόσμε " * 20000, b"\x07" * 300000:
                await socket.send(sample)
                assert await socket.recv() == sample
                report["Echoed"] += 1
            await (await socket.ping("ping"))
            report["Pong"] = "ping"
            await socket.close(4000, "done")
            report["Code"], report["Reason"] = socket.close_code, socket.close_reason
    async with connect("/ws/chat") as first, connect("/ws/chat") as second:
        await first.send("hello")
        report["Chat"] = [await first.recv(), await second.recv()]
    async with connect("/ws/flood?n=500&size=20KiB") as socket:
        report["Flood"] = 0
        async for _ in socket:
            report["Flood"] += 1
    try:
        async with connect("/ws", origin="https://foreign.example"):
            pass
    except websockets.InvalidStatusCode as refusal:
        report["Refused"] = refusal.status_code
    print(json.dumps(report))


asyncio.run(main())
