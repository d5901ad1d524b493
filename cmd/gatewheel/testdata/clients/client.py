"""Python's http.client or urllib does what clients do, and prints what came of it as JSON.

Arguments: http.client or urllib, the server's URL, its certificate, an upload, and one that is too large.
"""

import hashlib
import http.client
import io
import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

library, url, certificate, upload, large = sys.argv[1:]
trust = ssl.create_default_context(cafile=certificate)


def over_connection(path, content=None, fields={}):
    """Makes a request with http.client; a stream as content is sent in chunks."""
    where = urllib.parse.urlsplit(url)
    if where.scheme == "https":
        connection = http.client.HTTPSConnection(where.netloc, context=trust, timeout=25)
    else:
        connection = http.client.HTTPConnection(where.netloc, timeout=25)
    connection.request("POST" if content else "GET", path, content, fields)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def over_urllib(path, content=None, fields={}):
    """Makes a request with urllib, which gives a response of status 300 and more as an error."""
    request = urllib.request.Request(url + path, content, fields)
    try:
        with urllib.request.urlopen(request, timeout=25, context=trust) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


ask = over_connection if library == "http.client" else over_urllib


def outcome(status, content, headers):
    if len(content) < 200:
        return f"{status} {content.decode().strip()}".strip()
    return f"{status} {len(content)} bytes {hashlib.sha256(content).hexdigest()}"


with open(upload, "rb") as f:
    upload = f.read()
with open(large, "rb") as f:
    large = f.read()
_, _, head = ask("/file/large")
json.dump({
    "get": outcome(*ask("/")),
    "upload": outcome(*ask("/upload", upload)),
    "upload without length": outcome(*ask("/upload", io.BytesIO(upload))),
    "download": outcome(*ask("/file/large")),
    "download without length": outcome(*ask("/stream/10MiB")),
    "range": outcome(*ask("/file/large", None, {"Range": "bytes=1000-5999"})),
    "suffix range": outcome(*ask("/file/large", None, {"Range": "bytes=-5000"})),
    "range beyond the end": str(ask("/file/large", None, {"Range": "bytes=20000000-"})[0]),
    "unchanged": outcome(*ask("/file/large", None, {"If-None-Match": head["ETag"]})),
    "too large": " ".join(str(ask("/upload", large)[0]) for _ in range(8)),
}, sys.stdout)
