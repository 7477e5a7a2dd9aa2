"""The server under test, as far as no client library is concerned: people, logins, rotation."""

import base64
import itertools
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass

import requests

ISSUER = os.environ["INTEROP_ISSUER"]
ALGORITHM = os.environ["INTEROP_ALGORITHM"]
# The secret of the confidential clients, and whom the tokens of `shop` are for.
SECRET = os.environ["INTEROP_SECRET"]
AUDIENCE = "https://tank.example"

METADATA = f"{ISSUER}/.well-known/oauth-authorization-server"
KEYS = f"{ISSUER}/.well-known/jwks.json"
TOKEN = f"{ISSUER}/oauth2/token"
REVOKE = f"{ISSUER}/oauth2/revoke"
INTROSPECT = f"{ISSUER}/oauth2/introspect"
ME = f"{ISSUER}/auth/me"

_numbers = itertools.count(1)


@dataclass
class Person:
    """Somebody with an account."""

    email: str
    password: str

    def login(self, client):
        """Tokens of a new session with a public client."""
        named = {"email": self.email, "password": self.password, "client_id": client}
        return _post("/auth/login", named)


def person():
    """Somebody new."""
    somebody = Person(f"{time.time_ns()}-{next(_numbers)}@example.com", "seven blue snails")
    _post("/auth/signup", {"email": somebody.email, "password": somebody.password})
    return somebody


def own_token():
    """An access token of the client `shop` for itself, asked for without a library."""
    form = {"grant_type": "client_credentials"}
    answer = requests.post(TOKEN, data=form, auth=("shop", SECRET), timeout=10)
    answer.raise_for_status()
    return answer.json()["access_token"]


def rotate():
    """Rotates the keys as an operator does, and waits until the new one signs."""
    before = header(own_token())["kid"]
    told = subprocess.run(
        [os.environ["INTEROP_PROGRAM"], "keys", "rotate"],
        cwd=os.environ["INTEROP_DIRECTORY"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert told.returncode == 0, told.stderr
    os.kill(int(os.environ["INTEROP_PROCESS"]), signal.SIGHUP)
    end = time.monotonic() + 20
    while header(own_token())["kid"] == before:
        assert time.monotonic() < end, "the new key doesn't sign"
        time.sleep(0.05)


def until_dead(token):
    """Waits until the token has expired, by anybody's clock."""
    time.sleep(max(0.0, claims(token)["exp"] + 0.2 - time.time()))


def flipped(token):
    """The token with one bit of its signature changed."""
    signed, signature = token.rsplit(".", 1)
    octets = bytearray(_decoded(signature))
    octets[len(octets) // 2] ^= 1
    changed = base64.urlsafe_b64encode(bytes(octets)).rstrip(b"=").decode()
    return f"{signed}.{changed}"


def header(token):
    """The header, unchecked."""
    return json.loads(_decoded(token.split(".")[0]))


def claims(token):
    """The claims, unchecked."""
    return json.loads(_decoded(token.split(".")[1]))


def _decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _post(path, named):
    answer = requests.post(ISSUER + path, json=named, timeout=10)
    answer.raise_for_status()
    return answer.json()
