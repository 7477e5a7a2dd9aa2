"""A Django REST service that accepts access tokens of the server, by four lines of settings."""

import json
import subprocess
import sys

import django
import requests
from django.conf import settings

import server
from checks import check, run

# Tokens of clients other than `simplejwt` have no claim made for Django, which takes two more lines.
FOR_OTHER_CLIENTS = {"USER_ID_CLAIM": "sub", "TOKEN_TYPE_CLAIM": None}
_is_child = sys.argv[1:] == ["child"]

settings.configure(
    SECRET_KEY="unused",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"
        ],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    SIMPLE_JWT={
        "ALGORITHM": server.ALGORITHM,
        "JWK_URL": server.KEYS,
        "ISSUER": server.ISSUER,
        "AUDIENCE": server.ISSUER,
        **(FOR_OTHER_CLIENTS if _is_child else {}),
    },
)
django.setup()

from django.test import Client  # noqa: E402: needs the settings
from django.urls import path  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Whoami(APIView):
    """Answers with the id of the caller."""

    permission_classes = [IsAuthenticated]

    def get(self, request):
        """The id."""
        return Response({"id": request.user.id or request.auth["sub"]})


urlpatterns = [path("whoami/", Whoami.as_view())]
_service = Client(raise_request_exception=False)


def whoami(token):
    """The status and the body of the service's response."""
    response = _service.get("/whoami/", HTTP_AUTHORIZATION=f"Bearer {token}")
    return response.status_code, response.json()


if _is_child:
    print(json.dumps(whoami(sys.stdin.read())))
    sys.exit()


def whoami_with_more_settings(token):
    """The same from a service with the settings for other clients."""
    result = subprocess.run(
        [sys.executable, "-B", __file__, "child"],
        input=token,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return tuple(json.loads(result.stdout))


def from_the_door(person):
    """An access token of the door that clients of simplejwt use."""
    body = {"email": person.email, "password": person.password}
    response = requests.post(f"{server.ISSUER}/api/token/", json=body, timeout=20)
    response.raise_for_status()
    return response.json()["access"]


@check
def a_token_from_the_door_is_accepted_by_four_lines_of_settings():
    token = from_the_door(server.person())
    assert whoami(token) == (200, {"id": server.claims(token)["sub"]})


@check
def a_token_of_another_client_is_accepted_by_two_more():
    token = server.person().login("web")["access_token"]
    assert whoami(token)[0] == 401
    assert whoami_with_more_settings(token) == (200, {"id": server.claims(token)["sub"]})


@check
def invalid_tokens_are_rejected():
    token = from_the_door(server.person())
    for bad in (server.modified(token), server.own_token(), "x"):
        status, body = whoami(bad)
        assert status == 401 and body["code"] == "token_not_valid", (bad, body)
    expired = server.person().login("hasty")["access_token"]
    server.until_expired(expired)
    assert whoami_with_more_settings(expired)[0] == 401


@check
def a_rotation_of_the_keys_is_followed():
    old = from_the_door(server.person())
    assert whoami(old)[0] == 200
    server.rotate()
    new = from_the_door(server.person())
    assert server.header(old)["kid"] != server.header(new)["kid"]
    assert whoami(old)[0] == whoami(new)[0] == 200


run()
