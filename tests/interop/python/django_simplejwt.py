"""Django with djangorestframework-simplejwt beside the doors that take its place.

Users move with `aquaware accounts import`; then each request goes to both, and the responses are
compared field by field.
"""

import datetime
import json
import os
import pathlib
import subprocess
import tempfile
import time

import django
import jwt
import requests
from django.conf import settings

import server
from checks import check, run

# The signing key in the configuration of the server under test.
KEY = "interop-signing-key-of-django-0123456789"
PASSWORD = "seven blue snails"
_database = pathlib.Path(tempfile.mkdtemp()) / "django.db"

settings.configure(
    SECRET_KEY="unused by tokens " * 4,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(_database)}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
    ],
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
    ],
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    SIMPLE_JWT={
        "SIGNING_KEY": KEY,
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
        "REFRESH_TOKEN_LIFETIME": datetime.timedelta(days=14),
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402: needs the settings
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework_simplejwt import views  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402

urlpatterns = [
    path("api/token/", views.TokenObtainPairView.as_view()),
    path("api/token/refresh/", views.TokenRefreshView.as_view()),
    path("api/token/verify/", views.TokenVerifyView.as_view()),
    path("api/token/blacklist/", views.TokenBlacklistView.as_view()),
]

call_command("migrate", verbosity=0)
ANN = User.objects.create_user("Ann_S", "ann@example.com", PASSWORD, first_name="Ann")
BOB = User.objects.create_user("bob", "bob@example.com", PASSWORD, is_active=False)
ANN_SCRYPT = User(username="carl", email="carl@example.com")
ANN_SCRYPT.password = django.contrib.auth.hashers.make_password(PASSWORD, hasher="scrypt")
ANN_SCRYPT.save()


def _import():
    """Moves the users, as docs/migrating-from-simplejwt.md describes it."""
    lines = [
        json.dumps(
            {
                "id": user.id,
                "login": user.username,
                "email": user.email,
                "password_hash": user.password,
                "first_name": user.first_name,
                "last_name": user.last_name,
                "disabled": not user.is_active,
                "created_at": user.date_joined.isoformat(),
            }
        )
        for user in User.objects.order_by("id")
    ]
    result = subprocess.run(
        [os.environ["INTEROP_PROGRAM"], "accounts", "import", "-", "--json"],
        cwd=os.environ["INTEROP_DIRECTORY"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


IMPORTED = _import()
_django = Client(raise_request_exception=False)


def theirs(door, body):
    """The response of Django: status, body, and challenge."""
    response = _django.post(f"/api/token/{door}", json.dumps(body), "application/json")
    return response.status_code, response.json(), response.headers.get("WWW-Authenticate")


def ours(door, body):
    """The response of the server under test."""
    response = requests.post(f"{server.ISSUER}/api/token/{door}", json=body, timeout=20)
    return response.status_code, response.json(), response.headers.get("WWW-Authenticate")


def without_tokens(response):
    """The response with `…` in place of each token."""
    status, body, challenge = response
    if status == 200:
        body = {name: "…" for name in body}
    return status, body, challenge


def same(door, body):
    """Both responses, which must be the same except for tokens."""
    expected, found = theirs(door, body), ours(door, body)
    assert without_tokens(expected) == without_tokens(found), (door, expected, found)
    return found


def django_token(user=ANN, **claims):
    """A refresh token signed by Django; `None` removes a claim."""
    token = RefreshToken.for_user(user)
    for name, value in claims.items():
        if value is None:
            del token[name]
        else:
            token[name] = value
    return str(token)


@check
def users_of_django_arrive_with_ids_names_and_passwords():
    assert IMPORTED["imported"] == 3, IMPORTED
    for user in (ANN, ANN_SCRYPT):
        tokens = same("", {"username": user.username, "password": PASSWORD})[1]
        claims = server.claims(tokens["access"])
        assert claims["sub"] == claims["user_id"] == str(user.id), claims
        assert claims["token_type"] == "access", claims


@check
def logins_fail_as_at_django():
    for body in (
        {"username": "Ann_S", "password": "wrong"},
        {"username": "ann_s", "password": PASSWORD},
        {"username": "bob", "password": PASSWORD},
        {"username": "nobody", "password": PASSWORD},
        {},
        {"username": "Ann_S"},
        {"username": "", "password": ""},
        {"username": " ", "password": None},
        {"username": {}, "password": []},
        {"username": "Ann_S", "password": True},
    ):
        same("", body)


@check
def forms_are_accepted_too():
    form = {"username": "Ann_S", "password": PASSWORD}
    response = requests.post(f"{server.ISSUER}/api/token/", data=form, timeout=20)
    assert response.status_code == 200 and set(response.json()) == {"access", "refresh"}


@check
def tokens_of_both_systems_are_refreshed_alike():
    expected = theirs("", {"username": "Ann_S", "password": PASSWORD})[1]
    found = ours("", {"username": "Ann_S", "password": PASSWORD})[1]
    expected, found = (
        theirs("refresh/", {"refresh": expected["refresh"]}),
        ours("refresh/", {"refresh": found["refresh"]}),
    )
    assert without_tokens(expected) == without_tokens(found), (expected, found)
    for body in ({}, {"refresh": ""}, {"refresh": None}, {"refresh": []}, {"refresh": "x.y.z"}):
        same("refresh/", body)


@check
def old_refresh_tokens_become_sessions_and_a_retry_returns_the_same_token():
    token = django_token()
    first = ours("refresh/", {"refresh": token})
    again = ours("refresh/", {"refresh": token})
    assert first[0] == again[0] == 200, (first, again)
    assert first[1]["refresh"] == again[1]["refresh"]
    assert server.claims(first[1]["access"])["sub"] == str(ANN.id)
    assert server.claims(first[1]["refresh"])["jti"].split(".")[3] == "2"
    second = ours("refresh/", {"refresh": first[1]["refresh"]})
    assert second[0] == 200, second
    # Outside the rules of a retry by now: the token of Django is two generations behind.
    reused = ours("refresh/", {"refresh": token})
    assert reused[0] == 401 and reused[1]["detail"] == "Token is blacklisted", reused
    ended = ours("refresh/", {"refresh": second[1]["refresh"]})
    assert ended == reused, ended


@check
def django_accepts_the_refresh_tokens_of_the_doors_and_puts_no_part_of_them_into_access_tokens():
    for user in (ANN, ANN_SCRYPT):
        tokens = ours("", {"username": user.username, "password": PASSWORD})[1]
        parts = server.claims(tokens["refresh"])["jti"].split(".")
        assert theirs("verify/", {"token": tokens["refresh"]})[0] == 200
        status, body, _ = theirs("refresh/", {"refresh": tokens["refresh"]})
        assert status == 200, body
        claims = server.claims(body["access"])
        assert claims["user_id"] == str(user.id) and set(claims) == {
            *("token_type", "exp", "iat", "jti", "user_id")
        }, claims
        assert not any(part in json.dumps(claims) for part in parts[1:3] + parts[4:])
        # Django has rotated it, and the result begins a session of its own here.
        assert ours("refresh/", {"refresh": body["refresh"]})[0] == 200
        assert theirs("refresh/", {"refresh": tokens["refresh"]})[0] == 401
    # Without the signature of Django it is invalid at both.
    tokens = ours("", {"username": "Ann_S", "password": PASSWORD})[1]
    same("refresh/", {"refresh": server.modified(tokens["refresh"])})


@check
def invalid_old_tokens_are_rejected_in_the_words_of_django():
    now = int(time.time())
    for claims in (
        {"exp": now - 10},
        {"exp": None},
        {"token_type": None},
        {"token_type": "sliding"},
        {"iat": now + 1000},
        {"nbf": now + 1000},
        {"exp": "x"},
    ):
        for door, name in (("refresh/", "refresh"), ("verify/", "token"), ("blacklist/", "refresh")):
            same(door, {name: django_token(**claims)})
    signed = {"token_type": "refresh", "exp": now + 60, "jti": "a", "user_id": str(ANN.id)}
    for token in (
        jwt.encode(signed, "another key " * 4, algorithm="HS256"),
        jwt.encode(signed, KEY * 2, algorithm="HS512"),
        server.modified(django_token()),
        str(RefreshToken.for_user(ANN).access_token),
    ):
        same("refresh/", {"refresh": token})


@check
def disabled_users_are_rejected_as_at_django():
    token = django_token(BOB)
    same("refresh/", {"refresh": token})


@check
def tokens_are_verified_as_at_django():
    tokens = ours("", {"username": "Ann_S", "password": PASSWORD})[1]
    for token in (tokens["access"], tokens["refresh"], django_token()):
        assert ours("verify/", {"token": token}) == (200, {}, None)
    for token in (django_token(), str(RefreshToken.for_user(ANN).access_token), "x", "", None):
        same("verify/", {"token": token})


@check
def blacklisted_tokens_are_rejected_as_at_django():
    pair = [
        (theirs, theirs("", {"username": "Ann_S", "password": PASSWORD})[1]),
        (ours, ours("", {"username": "Ann_S", "password": PASSWORD})[1]),
    ]
    requested = [
        ("blacklist/", "refresh", "refresh"),
        ("blacklist/", "refresh", "refresh"),
        ("refresh/", "refresh", "refresh"),
        ("verify/", "token", "refresh"),
        ("blacklist/", "refresh", "access"),
    ]
    for door, field, kind in requested[:4]:
        expected, found = (ask(door, {field: tokens[kind]}) for ask, tokens in pair)
        assert expected == found, (door, expected, found)
    # An old token that was never used can be blacklisted here, too.
    token = django_token()
    assert ours("blacklist/", {"refresh": token}) == (200, {}, None)
    refused = ours("refresh/", {"refresh": token})
    assert refused[0] == 401 and refused[1]["detail"] == "Token is blacklisted", refused


@check
def other_methods_and_media_types_are_rejected_as_at_django():
    for door in ("", "refresh/", "verify/", "blacklist/"):
        expected = _django.get(f"/api/token/{door}")
        found = requests.get(f"{server.ISSUER}/api/token/{door}", timeout=20)
        assert (found.status_code, found.json()) == (expected.status_code, expected.json())
        assert found.headers["Allow"] == expected.headers["Allow"]
    expected = _django.post("/api/token/", "x", "text/plain")
    headers = {"Content-Type": "text/plain"}
    found = requests.post(f"{server.ISSUER}/api/token/", data="x", headers=headers, timeout=20)
    assert (found.status_code, found.json()) == (expected.status_code, expected.json())


run()
