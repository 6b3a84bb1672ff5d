"""An S3 server for tests: moto's, over HTTP on loopback, in a process of its own, with faults on demand.

It answers one request at a time, so that a conditional put is atomic, as it is on S3. A fault is a rule that the
tests post to `/_faults`: for so many requests (or every so-manyth) whose line ("PUT /bucket/key?query") a pattern
matches, the server answers with a `status` instead, resets the connection (`reset`), does what was asked and then
resets it (`lose`), `cut`s the body off, or `wait`s first. `/_log` gives the lines of all requests so far, and `/_fill`
makes many objects at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

BUCKET = "bucket"


class Faults:
    """Stands in front of the WSGI application, keeps the log and does what the rules say."""

    def __init__(self, application):
        self._application, self._rules, self._log = application, [], []

    def __call__(self, environ, respond):
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        if path == "/_faults":
            self._rules = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return _answer(respond, "200 OK", "{}")
        if path == "/_fill":
            prefix, count = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode().split()
            from moto.s3.models import s3_backends  # slow to import, and only the server needs it

            _, account = s3_backends.bucket_accounts[BUCKET]
            for number in range(int(count)):
                s3_backends[account]["aws"].put_object(BUCKET, f"{prefix}{number:05}", b"x")
            return _answer(respond, "200 OK", "{}")
        if path == "/_log":
            return _answer(respond, "200 OK", json.dumps(self._log))
        line = f"{environ['REQUEST_METHOD']} {path}" + (f"?{query}" if query else "")
        self._log.append(line)
        rule = next((rule for rule in self._rules if self._fits(rule, line)), None)
        if rule is None:
            return self._application(environ, respond)
        rule["times"] -= 1
        time.sleep(rule.get("wait", 0))
        if "status" in rule:
            body = f"<Error><Code>{rule['code']}</Code><Message>{rule.get('message', 'a fault')}</Message></Error>"
            return _answer(respond, f"{rule['status']} Fault", body)
        if rule.get("lose"):
            list(self._application(environ, respond))
        if rule.get("reset") or rule.get("lose"):
            _reset(environ["werkzeug.socket"])
            return _answer(respond, "200 OK", "")
        if "cut" in rule:  # the headers promise more than comes
            body = b"".join(self._application(environ, respond))
            return [body[: rule["cut"]]]
        return self._application(environ, respond)

    def _fits(self, rule, line):
        if rule["times"] < 1 or not re.search(rule["match"], line):
            return False
        rule["seen"] = rule.get("seen", 0) + 1
        return rule["seen"] % rule.get("every", 1) == 0


def _answer(respond, status, body):
    respond(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body.encode()]


def _reset(connection):
    """Closes a connection so that the client gets a reset, and not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class Server:
    """The server as the tests see it."""

    def __init__(self, port, process):
        self.port, self.process = port, process
        self.options = f"scheme=http&endpoint_override=127.0.0.1%3A{port}&region=us-east-1"

    def uri(self, key, bucket=BUCKET):
        """The URI of a key or prefix."""
        return f"s3://{bucket}/{key}?{self.options}"

    def faults(self, *rules):
        """Sets the rules; none: the server is well again. A rule is for one request unless it has `times`."""
        self.ask("/_faults", json.dumps([{"times": 1, **rule} for rule in rules]).encode())

    def log(self):
        """The lines of all requests so far."""
        return json.loads(self.ask("/_log"))

    def ask(self, path, data=None, method=None):
        kind = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, kind, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


def start():
    """Starts the server on a free port, with an empty bucket."""
    command = [sys.executable, "-m", "tests.s3_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, text=True, **pipes)
    server = Server(int(process.stdout.readline()), process)
    server.ask(f"/{BUCKET}", b"", "PUT")
    return server


def _end_with_the_tests():
    sys.stdin.read()  # ends when the process that started this one does, however it ends
    os._exit(0)


def main():
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    WSGIRequestHandler.timeout = 15  # a client that connects and says nothing holds up the others

    application = Faults(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application)
    print(server.port, flush=True)
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
