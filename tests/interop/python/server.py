"""The server under test without a client library: users, logins, key rotation."""

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
# The secret of the confidential clients, and the audience of the tokens of `shop`.
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
    """A user with an account."""

    email: str
    password: str

    def login(self, client):
        """The tokens of a new session with a public client."""
        named = {"email": self.email, "password": self.password, "client_id": client}
        return _post("/auth/login", named)


def person():
    """A new user."""
    user = Person(f"{time.time_ns()}-{next(_numbers)}@example.com", "seven blue snails")
    _post("/auth/signup", {"email": user.email, "password": user.password})
    return user


def own_token(**more):
    """A client credentials token of `shop`, requested without a library."""
    form = {"grant_type": "client_credentials", **more}
    response = requests.post(TOKEN, data=form, auth=("shop", SECRET), timeout=10)
    response.raise_for_status()
    return response.json()["access_token"]


def rotate():
    """Rotates the keys as an operator would, and waits until the new key signs."""
    before = header(own_token())["kid"]
    result = subprocess.run(
        [os.environ["INTEROP_PROGRAM"], "keys", "rotate"],
        cwd=os.environ["INTEROP_DIRECTORY"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr
    os.kill(int(os.environ["INTEROP_PROCESS"]), signal.SIGHUP)
    end = time.monotonic() + 20
    while header(own_token())["kid"] == before:
        assert time.monotonic() < end, "the new key does not sign"
        time.sleep(0.05)


def until_expired(token):
    """Waits until the token has expired."""
    time.sleep(max(0.0, claims(token)["exp"] + 0.2 - time.time()))


def modified(token):
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
    response = requests.post(ISSUER + path, json=named, timeout=10)
    response.raise_for_status()
    return response.json()
