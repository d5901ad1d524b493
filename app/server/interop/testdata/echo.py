"""A server of Python's websockets that echoes messages. It prints its port, and ends with its input."""
import asyncio
import sys

import websockets


async def echo(socket):
    async for message in socket:
        if message == "close":
            await socket.close(4001, "as asked")
            return
        await socket.send(message)


async def main():
    compression = "deflate" if sys.argv[1] == "packed" else None
    async with websockets.serve(echo, "127.0.0.1", 0, compression=compression, max_size=None, subprotocols=["echo"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
