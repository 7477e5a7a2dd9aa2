"""Proxies in front of a service, with the samples of docs/guard.md and `aquaware guard`."""

import http.server
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import requests

import server
from checks import check, run

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "guard.md"
# Where pip has installed the programs of Envoy and Traefik.
PROGRAMS = pathlib.Path(sys.executable).parent
NAMES = ["X-Auth-Issuer", "X-Auth-Subject", "X-Auth-Client", "X-Auth-Scope", "X-Auth-Session"]

# Each proxy: its command line, and its files, with the samples of the page in their place.
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
{nginx}
}}
"""
CADDY = """{{
\tadmin off
}}
{caddy}
"""
HAPROXY = """defaults
    timeout connect 9s
    timeout client 9s
    timeout server 9s
{haproxy}
"""
TRAEFIK = """
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
entryPoints: {{ web: {{ address: "127.0.0.1:{proxy}" }} }}
providers: {{ file: {{ filename: "{directory}/dynamic.yaml", watch: false }} }}
"""
ENVOY = """
static_resources:
  listeners:
    - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {proxy} }} }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: tanks
                route_config:
                  virtual_hosts:
                    - name: tanks
                      domains: ["*"]
                      routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: tanks }} }}]
{envoy}
  clusters:
    - name: guard
      load_assignment:
        cluster_name: guard
        endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {guard} }} }} }} }}] }}]
    - name: tanks
      load_assignment:
        cluster_name: tanks
        endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {service} }} }} }} }}] }}]
"""
PROXIES = {
    "nginx": (["nginx", "-p", "{directory}", "-c", "{directory}/conf"], {"conf": NGINX}),
    "Caddy": (
        ["caddy", "run", "--adapter", "caddyfile", "--config", "{directory}/conf"],
        {"conf": CADDY},
    ),
    "HAProxy": (
        ["haproxy", "-db", "-f", "{directory}/conf"],
        {"conf": HAPROXY, "guard.lua": "{lua}"},
    ),
    "Traefik": (
        [str(PROGRAMS / "traefik"), "--configFile={directory}/static.yaml"],
        {"static.yaml": TRAEFIK, "dynamic.yaml": "{traefik}"},
    ),
    "Envoy": (
        [str(PROGRAMS / "envoy"), "--concurrency", "1", "--use-dynamic-base-id"]
        + ["-c", "{directory}/conf.yaml"],
        {"conf.yaml": ENVOY},
    ),
}


class Service(http.server.BaseHTTPRequestHandler):
    """Answers with the headers of the request as it arrived."""

    def do_GET(self):
        body = str(self.headers).encode()
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


def samples(places):
    """The samples of the page by language, with the scope of `shop` and with these ports."""
    blocks = PAGE.read_text().replace("tanks:read", "feed").split("\n```")[1:]
    found = {}
    for block in blocks:
        language, _, text = block.partition("\n")
        for port, ours in (("8080", "proxy"), ("9180", "guard"), ("3000", "service")):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{places[ours]}")
        text = text.replace("/etc/haproxy", str(places["directory"]))
        if "name: envoy.filters" in text:
            language, text = "envoy", textwrap.indent(text, " " * 16)
        elif "forwardAuth" in text:
            language = "traefik"
        if language:
            found[language] = text
    return found


def through(name):
    """Runs the guard and the proxy, and checks what reaches the service."""
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    processes = []
    with tempfile.TemporaryDirectory() as directory:
        ports = {"guard": free_port(), "proxy": free_port(), "service": service.server_port}
        places = {"directory": directory, **ports}
        command, files = PROXIES[name]
        for file, text in files.items():
            text = text.format(**places, **samples(places))
            (pathlib.Path(directory) / file).write_text(text)
        environment = {**os.environ, "XDG_DATA_HOME": directory, "XDG_CONFIG_HOME": directory}
        guard = [os.environ["INTEROP_PROGRAM"], "guard", "--issuer", server.ISSUER]
        guard += ["--audience", server.AUDIENCE, "--listen", f"127.0.0.1:{ports['guard']}"]
        try:
            processes.append(started(guard, ports["guard"], stdout=subprocess.DEVNULL))
            with open(os.path.join(directory, "log"), "wb") as log:
                command = [part.format(**places) for part in command]
                options = {"env": environment, "stdout": log, "stderr": log}
                processes.append(started(command, ports["proxy"], **options))
            check_answers(name, f"http://127.0.0.1:{ports['proxy']}/tanks?x=y")
        except Exception:
            print((pathlib.Path(directory) / "log").read_text()[-2000:])
            raise
        finally:
            for process in processes:
                process.kill()
                process.wait()
            service.shutdown()


def check_answers(name, url):
    forged = {header: "forged" for header in NAMES}
    forged |= {header.replace("-", "_"): "forged" for header in NAMES}

    def call(token=None):
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(url, headers={**forged, **bearer}, timeout=10)

    # Proxies that have just started may not know yet that the service is there.
    token, end = server.own_token(scope="feed"), time.monotonic() + 20
    while (good := call(token)).status_code in (404, 502, 503) and time.monotonic() < end:
        time.sleep(0.1)
    seen = good.text.lower()
    accepted = good.status_code == 200 and "x-auth-subject: shop\n" in seen
    outcome = "yes" if accepted else "no"
    print(f"accepted | {name} | guard | {server.ALGORITHM} | {outcome}")
    assert accepted, (good.status_code, good.text)
    # A token without a session: its header is empty or absent, and not the caller's.
    assert "forged" not in seen, seen
    bad = call(server.modified(token))
    assert bad.status_code == 401 and "invalid_token" in bad.headers["WWW-Authenticate"]
    none = call()
    assert (none.status_code, none.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert call(server.own_token()).status_code == 403


@check
def nginx_passes_only_what_the_guard_says():
    through("nginx")


@check
def caddy_passes_only_what_the_guard_says():
    through("Caddy")


@check
def haproxy_passes_only_what_the_guard_says():
    through("HAProxy")


@check
def traefik_passes_only_what_the_guard_says():
    through("Traefik")


@check
def envoy_passes_only_what_the_guard_says():
    through("Envoy")


run()
