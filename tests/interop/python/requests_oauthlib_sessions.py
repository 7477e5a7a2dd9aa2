"""requests-oauthlib as an OAuth client: automatic refreshing."""

import os
import time

from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError
from requests_oauthlib import OAuth2Session

import server
from checks import check, rejected, run

# The library has no other way to allow plain HTTP, which is used on loopback addresses only.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def outlives_its_access_tokens(session, updates):
    """Keeps sending requests while one access token after the other expires."""
    tokens = [session.token["refresh_token"]]
    for _ in range(2):
        server.until_expired(session.token["access_token"])
        # The library rounds up the time of the response, and may consider it valid a second longer.
        time.sleep(1)
        response = session.get(server.ME, timeout=10)
        assert response.status_code == 200, response.text
        tokens.append(updates[-1]["refresh_token"])
    assert len(set(tokens)) == 3 == len(updates) + 1, "each refresh gives another refresh token"
    assert server.claims(tokens[-1])["sid"] == server.claims(tokens[0])["sid"]


@check
def a_public_client_refreshes_automatically():
    updates = []
    session = OAuth2Session(
        "hasty",
        token=server.person().login("hasty"),
        auto_refresh_url=server.TOKEN,
        auto_refresh_kwargs={"client_id": "hasty"},
        token_updater=updates.append,
    )
    outlives_its_access_tokens(session, updates)


@check
def a_confidential_client_refreshes_automatically():
    updates = []
    user = server.person()
    session = OAuth2Session(
        client=LegacyApplicationClient("hasty-shop"),
        auto_refresh_url=server.TOKEN,
        auto_refresh_kwargs={"client_id": "hasty-shop", "client_secret": server.SECRET},
        token_updater=updates.append,
    )
    session.fetch_token(
        server.TOKEN,
        username=user.email,
        password=user.password,
        client_secret=server.SECRET,
        timeout=10,
    )
    outlives_its_access_tokens(session, updates)


@check
def the_server_rejects_expired_tokens():
    token = server.person().login("hasty")
    server.until_expired(token["access_token"])
    # Without this the library rejects it first.
    del token["expires_in"]
    response = OAuth2Session("hasty", token=token).get(server.ME, timeout=10)
    assert response.status_code == 401, response.text
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"], response.headers


@check
def client_credentials_with_client_secret_basic():
    session = OAuth2Session(client=BackendApplicationClient("shop"))
    token = session.fetch_token(server.TOKEN, client_secret=server.SECRET, timeout=10)
    assert server.claims(token["access_token"])["sub"] == "shop"


@check
def client_credentials_with_client_secret_post():
    session = OAuth2Session(client=BackendApplicationClient("shop"))
    token = session.fetch_token(
        server.TOKEN, client_secret=server.SECRET, include_client_id=True, timeout=10
    )
    assert server.claims(token["access_token"])["sub"] == "shop"


@check
def a_wrong_secret_is_invalid_client():
    session = OAuth2Session(client=BackendApplicationClient("shop"))
    rejected(InvalidClientError, session.fetch_token, server.TOKEN, client_secret="wrong")


@check
def a_revoked_session_has_ended():
    token = server.person().login("web")
    session = OAuth2Session("web", token=token)
    form = {"token": token["refresh_token"], "client_id": "web"}
    session.post(server.REVOKE, data=form, withhold_token=True, timeout=10).raise_for_status()
    rejected(InvalidGrantError, session.refresh_token, server.TOKEN, client_id="web", timeout=10)


run()
