"""Clients move from Django with djangorestframework-simplejwt to the server and back, under load.

A proxy passes `/api/token/` to one of the two and everything else to a Django REST service. While
clients log in, refresh and call the service, it is switched to the server, back to Django, and once
more. No client may have to log in again, with and without rotation.
"""

import datetime
import http.server
import json
import os
import pathlib
import re
import tempfile
import threading

import django
from django.conf import settings

from checks import check, run
from own_server import OwnServer, free_port, request

KEY = "switch-signing-key-of-django-0123456789"
PASSWORD = "seven blue snails"
CLIENTS = 6
# How often each client refreshes and calls the service in one phase, in whose middle is a switch.
ROUNDS = 10
_directory = pathlib.Path(tempfile.mkdtemp())


PUBLIC, DJANGO = free_port(), free_port()
ISSUER = f"http://127.0.0.1:{PUBLIC}"
PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "migrating-from-simplejwt.md"


def sample(language, part):
    """The one sample of the page in this language that contains `part`."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    (only,) = [text for text in found if part in text]
    return only


settings.configure(
    # Without a SIGNING_KEY, it signs the tokens.
    SECRET_KEY=KEY,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(_directory / "django.db"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 60},
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
    ],
    # Cheap, so that the load is one of tokens.
    PASSWORD_HASHERS=[f"{__name__}.Cheap"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework_simplejwt.authentication.JWTAuthentication"
        ],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT={
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
        "REFRESH_TOKEN_LIFETIME": datetime.timedelta(days=14),
        # The line of the page, with the name of this module.
        "AUTH_TOKEN_CLASSES": (
            "rest_framework_simplejwt.tokens.AccessToken",
            f"{__name__}.AquawareToken",
        ),
    },
)
django.setup()

from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: E402: needs the settings
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt import views  # noqa: E402
from rest_framework_simplejwt.settings import api_settings  # noqa: E402


class Cheap(PBKDF2PasswordHasher):
    """Passwords that cost little."""

    iterations = 10


# The class `AquawareToken`.
exec(sample("python", "class AquawareToken").replace("https://auth.example.com", ISSUER))  # noqa: S102


class Whoami(APIView):
    """Answers with the id of the caller."""

    permission_classes = [IsAuthenticated]

    def get(self, request):
        """The id."""
        return Response({"id": request.user.id})


urlpatterns = [
    path("api/token/", views.TokenObtainPairView.as_view()),
    path("api/token/refresh/", views.TokenRefreshView.as_view()),
    path("whoami/", Whoami.as_view()),
]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        """Keeps the output to the checks."""


class _Application(ThreadedWSGIServer):
    daemon_threads = True
    request_queue_size = 128


def _serve_django():
    """The application, in threads of this process, on connections of their own."""
    server = _Application(("127.0.0.1", DJANGO), _Quiet)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _exported():
    """The users, as the page exports them."""
    os.chdir(_directory)
    exec(sample("python", "users.jsonl"))  # noqa: S102
    return (_directory / "users.jsonl").read_text()


def server_with_doors(rotate):
    """The server under test with the settings of the page."""
    doors = sample("toml", "[compat.simplejwt]")
    for ours, theirs in (
        ("/run/secrets/django-signing-key", "django.key"),
        ("2027-01-31", "2099-12-31"),
        ("rotate = true", f"rotate = {str(rotate).lower()}"),
    ):
        assert ours in doors, ours
        doors = doors.replace(ours, theirs)
    settings = f"""
# The same keys in every run: PyJWT looks for new ones at most twice a minute.
[keys]
directory = "{_directory}/keys"
[limits]
login_per_address = "unlimited"
refresh_per_session = "unlimited"
{doors}
"""
    commands = [("store", "migrate"), ("accounts", "import", "users.jsonl")]
    files = {"django.key": KEY, "users.jsonl": _exported()}
    return OwnServer(settings, files, commands, PUBLIC)


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes `/api/token/` to the one in charge, and everything else to Django."""

    in_charge = DJANGO
    _lock = threading.Lock()
    _next, _before_switch = DJANGO, 0

    @classmethod
    def switch_after(cls, requests, port):
        """Puts the one at `port` in charge after so many requests for tokens."""
        with cls._lock:
            cls._next, cls._before_switch = port, requests

    @classmethod
    def _of_tokens(cls):
        with cls._lock:
            cls._before_switch -= 1
            if cls._before_switch == 0:
                cls.in_charge = cls._next
            return cls.in_charge

    def _pass(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        names = ("Authorization", "Content-Type")
        headers = {name: self.headers[name] for name in names if self.headers.get(name)}
        port = self._of_tokens() if self.path.startswith("/api/token/") else DJANGO
        status, answer = request(port, self.command, self.path, headers, body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _pass

    def log_message(self, *arguments):
        """Keeps the output to the checks."""


class _ProxyServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128


_proxy = _ProxyServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=_proxy.serve_forever, daemon=True).start()


class LoggedOut(Exception):
    """A client has to log in again."""


class Client:
    """A client of simplejwt: it keeps two tokens, and refreshes when the service answers 401."""

    def __init__(self, name):
        self.name = name
        self.tokens = self._post("", {"username": name, "password": PASSWORD})

    @staticmethod
    def _post(door, body):
        headers = {"Content-Type": "application/json"}
        target = f"/api/token/{door}"
        port = _proxy.server_address[1]
        status, answer = request(port, "POST", target, headers, json.dumps(body))
        if status != 200:
            raise LoggedOut(door, status, answer)
        return json.loads(answer)

    def refresh(self):
        """Refreshes, and keeps the new refresh token if there is one."""
        self.tokens.update(self._post("refresh/", {"refresh": self.tokens["refresh"]}))

    def call(self):
        """Calls the service, after a refresh if the access token is not accepted."""
        for _ in range(2):
            headers = {"Authorization": f"Bearer {self.tokens['access']}"}
            port = _proxy.server_address[1]
            status, answer = request(port, "GET", "/whoami/", headers)
            if status == 200:
                assert json.loads(answer)["id"] == USERS[self.name], (self.name, answer)
                return True
            self.refresh()
        raise LoggedOut(self.name, status, answer)


class Load:
    """Clients that work at the same time, until each has made enough requests since the switch."""

    def __init__(self, clients):
        self.clients = clients
        self.failures = []

    def _work(self, client):
        try:
            for _ in range(ROUNDS):
                client.refresh()
                client.call()
        except Exception as error:  # noqa: BLE001: the check reports it
            self.failures.append(repr(error))

    def while_switching_to(self, port):
        """Lets every client work before, during and after a switch."""
        Proxy.switch_after(len(self.clients) * ROUNDS // 2, port)
        threads = [threading.Thread(target=self._work, args=[client]) for client in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Proxy.in_charge == port
        assert not self.failures, self.failures


call_command("migrate", verbosity=0)
USERS = {}
for _number in range(CLIENTS):
    _user = User.objects.create_user(f"user{_number}", f"u{_number}@example.com", PASSWORD)
    USERS[_user.username] = _user.id
_serve_django()


def switched_there_and_back(rotate):
    """The whole way, with or without rotation at both."""
    api_settings.ROTATE_REFRESH_TOKENS = rotate
    with server_with_doors(rotate) as server:
        Proxy.in_charge = DJANGO
        load = Load([Client(name) for name in USERS])
        # Clients that make no request until the end, with a token of Django.
        asleep = [Client(name) for name in USERS]
        load.while_switching_to(PUBLIC)
        load.clients += [Client(name) for name in USERS]
        # The same with a token that began a session at the server.
        asleep += [Client(name) for name in USERS]
        load.while_switching_to(DJANGO)
        load.clients.append(Client("user0"))
        load.while_switching_to(PUBLIC)
        load.while_switching_to(DJANGO)
        for client in asleep:
            client.refresh()
            client.call()
    log = server.log()
    for client in load.clients + asleep:
        assert all(token not in log for token in client.tokens.values())


@check
def no_client_logs_in_again_when_a_proxy_is_switched_to_the_server_and_back_with_rotation():
    switched_there_and_back(rotate=True)


@check
def no_client_logs_in_again_when_a_proxy_is_switched_to_the_server_and_back_without_rotation():
    switched_there_and_back(rotate=False)


run()
