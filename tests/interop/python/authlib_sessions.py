"""Authlib as an OAuth client: automatic refreshing, and every endpoint."""

import time

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

import server
from checks import check, rejected, run


def client(name, secret=None, method=None, **options):
    """A session of the client, without a token."""
    return OAuth2Session(
        name,
        secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        token_endpoint=server.TOKEN,
        leeway=1,
        default_timeout=10,
        **options,
    )


def shop(method="client_secret_basic"):
    """A session of the confidential client."""
    return client("shop", server.SECRET, method)


def logged_in(session):
    """Logs in a new user, and returns the tokens, which the session then uses."""
    user = server.person()
    return dict(session.fetch_token(username=user.email, password=user.password))


def introspected(session, token):
    """The result of introspecting the token."""
    response = session.introspect_token(server.INTROSPECT, token=token)
    response.raise_for_status()
    return response.json()


def own(session):
    """Gets a client credentials token, which must be valid."""
    token = session.fetch_token(grant_type="client_credentials", scope="feed")
    assert token["token_type"] == "Bearer" and token["scope"] == "feed", token
    assert "refresh_token" not in token, token
    result = introspected(session, token["access_token"])
    assert result["active"] is True and result["client_id"] == "shop", result


def outlives_its_access_tokens(session, updates):
    """Keeps sending requests while one access token after the other expires."""
    first = session.token["refresh_token"]
    tokens = [first]
    for _ in range(2):
        server.until_expired(session.token["access_token"])
        response = session.get(server.ME)
        assert response.status_code == 200, response.text
        tokens.append(session.token["refresh_token"])
    assert len(set(tokens)) == 3, "each refresh gives another refresh token"
    assert updates == list(zip(tokens[1:], tokens)), "each was reported with its predecessor"
    assert server.claims(tokens[-1])["sid"] == server.claims(first)["sid"]


def noting(updates):
    """An `update_token` that records each new refresh token and its predecessor."""
    return lambda token, refresh_token: updates.append((token["refresh_token"], refresh_token))


@check
def the_metadata_is_valid():
    document = requests.get(server.METADATA, timeout=10).json()
    # RFC 8414 requires this member, and without an authorization endpoint it is empty.
    # Authlib requires a value.
    assert document["response_types_supported"] == []
    AuthorizationServerMetadata(document | {"response_types_supported": ["none"]}).validate()
    assert document["token_endpoint"] == server.TOKEN


@check
def a_public_client_refreshes_automatically():
    updates = []
    session = client("hasty", update_token=noting(updates))
    session.token = server.person().login("hasty")
    outlives_its_access_tokens(session, updates)


@check
def a_confidential_client_refreshes_automatically():
    updates = []
    session = client("hasty-shop", server.SECRET, update_token=noting(updates))
    logged_in(session)
    outlives_its_access_tokens(session, updates)


@check
def a_client_credentials_token_is_renewed_automatically():
    updates = []
    session = client(
        "hasty-shop",
        server.SECRET,
        grant_type="client_credentials",
        update_token=lambda token, access_token: updates.append(access_token),
    )
    first = session.fetch_token()["access_token"]
    server.until_expired(first)
    session.get(server.KEYS).raise_for_status()
    assert updates == [first], updates
    assert introspected(shop(), session.token["access_token"])["active"] is True


@check
def client_credentials_with_client_secret_basic():
    own(shop("client_secret_basic"))


@check
def client_credentials_with_client_secret_post():
    own(shop("client_secret_post"))


@check
def a_wrong_secret_is_invalid_client():
    for method in ["client_secret_basic", "client_secret_post"]:
        session = client("shop", "wrong", method)
        error = rejected(OAuthError, session.fetch_token, grant_type="client_credentials")
        assert error.error == "invalid_client", error


@check
def a_wider_scope_is_invalid_scope():
    error = rejected(OAuthError, shop().fetch_token, grant_type="client_credentials", scope="all")
    assert error.error == "invalid_scope", error


@check
def introspection_describes_valid_tokens():
    session = shop()
    tokens = logged_in(session)
    for kind in ["access_token", "refresh_token"]:
        result = introspected(session, tokens[kind])
        assert result["active"] is True and result["iss"] == server.ISSUER, result
        assert result["exp"] > time.time(), result
        assert result["sub"] == server.claims(tokens[kind])["sub"], result


@check
def an_expired_token_is_inactive():
    token = server.person().login("hasty")["access_token"]
    assert introspected(shop(), token)["active"] is True
    server.until_expired(token)
    assert introspected(shop(), token) == {"active": False}


@check
def a_token_with_a_modified_signature_is_inactive():
    token = server.own_token()
    assert introspected(shop(), token)["active"] is True
    assert introspected(shop(), server.modified(token)) == {"active": False}


@check
def a_revoked_session_has_ended():
    for kind in ["refresh_token", "access_token"]:
        session = shop()
        tokens = logged_in(session)
        response = session.revoke_token(server.REVOKE, token=tokens[kind], token_type_hint=kind)
        assert response.status_code == 200 and not response.content, response.text
        refresh = tokens["refresh_token"]
        error = rejected(OAuthError, session.refresh_token, refresh_token=refresh)
        assert error.error == "invalid_grant", error
        for dead in ["access_token", "refresh_token"]:
            assert introspected(session, tokens[dead]) == {"active": False}, dead


@check
def a_lost_response_is_repeated():
    session = shop()
    first = logged_in(session)["refresh_token"]
    second = session.refresh_token(refresh_token=first)["refresh_token"]
    assert second != first
    assert session.refresh_token(refresh_token=first)["refresh_token"] == second


@check
def reuse_outside_the_retry_window_ends_the_session():
    session = client("strict")
    first = server.person().login("strict")["refresh_token"]
    second = session.refresh_token(refresh_token=first)["refresh_token"]
    for dead in [first, second]:
        error = rejected(OAuthError, session.refresh_token, refresh_token=dead)
        assert error.error == "invalid_grant", error


run()
