"""A server of a script's own, for settings that the server under test does not have."""

import http.client
import os
import pathlib
import socket
import subprocess
import tempfile
import time


def free_port():
    """A port on the loopback that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def request(port, method, target, headers=None, body=None):
    """One request over one connection: the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class OwnServer:
    """The built program in a directory of its own. Use it in a `with` statement."""

    def __init__(self, settings, files=None, commands=(), public=None):
        self.public = public or free_port()
        self.issuer = f"http://127.0.0.1:{self.public}"
        self._management = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp())
        for name, text in (files or {}).items():
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        (self.directory / "aquaware.toml").write_text(
            f"""issuer = "{self.issuer}"
[listen]
public = "127.0.0.1:{self.public}"
management = "127.0.0.1:{self._management}"
[accounts.argon2]
memory_kib = 64
iterations = 1
{settings}
"""
        )
        for command in commands:
            self.run(*command)
        self._log = open(self.directory / "log", "w")
        self._process = subprocess.Popen(
            [os.environ["INTEROP_PROGRAM"], "serve"],
            cwd=self.directory,
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self):
        end = time.monotonic() + 60
        while not self._is_ready():
            assert time.monotonic() < end and self._process.poll() is None, self.log()
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(timeout=40)
        self._log.close()

    def run(self, *arguments):
        """Runs a command of the program."""
        command = [os.environ["INTEROP_PROGRAM"], *arguments]
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (done.stdout, done.stderr)

    def _is_ready(self):
        try:
            return request(self._management, "GET", "/health/ready")[0] == 200
        except OSError:
            return False

    def log(self):
        """What it has logged."""
        return (self.directory / "log").read_text()
