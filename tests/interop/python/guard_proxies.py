"""nginx and Caddy in front of a service, with the samples of docs/guard.md and `aquaware guard`."""

import http.server
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

import requests

import server
from checks import check, run

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "guard.md"
NGINX = """daemon off;
master_process off;
pid {directory}/pid;
error_log stderr;
events {{}}
http {{
access_log off;
client_body_temp_path {directory}/body;
proxy_temp_path {directory}/proxy;
fastcgi_temp_path {directory}/fastcgi;
uwsgi_temp_path {directory}/uwsgi;
scgi_temp_path {directory}/scgi;
{sample}
}}
"""
CADDY = """{{
\tadmin off
}}
{sample}
"""


class Service(http.server.BaseHTTPRequestHandler):
    """Answers with the subject that the proxy names."""

    def do_GET(self):
        body = self.headers.get("X-Auth-Subject", "").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def started(command, port, **options):
    """A process that listens on this port."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            assert process.poll() is None and time.monotonic() < end, command
            time.sleep(0.05)


def sample(language, proxy, guard, service):
    """The sample of the page, without its scope and with these ports."""
    text = PAGE.read_text().split(f"```{language}\n")[1].split("```")[0]
    text = text.replace("?scope=tanks:read", "")
    for port, ours in (("8080", proxy), ("9180", guard), ("3000", service)):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ours}")
    return text


def through(name, language, text, command):
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    guard, proxy = free_port(), free_port()
    guard_command = [os.environ["INTEROP_PROGRAM"], "guard", "--issuer", server.ISSUER]
    guard_command += ["--audience", server.AUDIENCE, "--listen", f"127.0.0.1:{guard}"]
    with tempfile.TemporaryDirectory() as directory:
        config = pathlib.Path(directory) / "config"
        filled = sample(language, proxy, guard, service.server_port)
        config.write_text(text.format(directory=directory, sample=filled))
        environment = {**os.environ, "XDG_DATA_HOME": directory, "XDG_CONFIG_HOME": directory}
        processes = [started(guard_command, guard, stdout=subprocess.DEVNULL)]
        try:
            command = [part.format(directory=directory, config=config) for part in command]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            processes.append(started(command, proxy, env=environment, **quiet))
            url = f"http://127.0.0.1:{proxy}/"
            token = server.own_token()

            def call(authorization):
                headers = {"X-Auth-Subject": "forged", **authorization}
                return requests.get(url, headers=headers, timeout=10)

            good = call({"Authorization": f"Bearer {token}"})
            accepted = good.status_code == 200 and good.text == "shop"
            outcome = "yes" if accepted else "no"
            print(f"accepted | {name} | guard | {server.ALGORITHM} | {outcome}")
            assert accepted, (good.status_code, good.text)
            bad = call({"Authorization": f"Bearer {server.modified(token)}"})
            assert bad.status_code == 401 and "invalid_token" in bad.headers["WWW-Authenticate"]
            assert call({}).status_code == 401
        finally:
            for process in processes:
                process.kill()
                process.wait()
            service.shutdown()


@check
def nginx_accepts_tokens_through_the_guard():
    command = ["nginx", "-p", "{directory}", "-c", "{config}"]
    through("nginx", "nginx", NGINX, command)


@check
def caddy_accepts_tokens_through_the_guard():
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", "{config}"]
    through("Caddy", "caddy", CADDY, command)


run()
