"""Authlib as an OAuth client: sessions that refresh by themselves, and every endpoint by name."""

import time

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

import server
from checks import check, refused, run


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
    """Somebody's tokens, which the session of a confidential client then holds."""
    somebody = server.person()
    return dict(session.fetch_token(username=somebody.email, password=somebody.password))


def introspected(session, token):
    """What the introspection endpoint says of the token."""
    answer = session.introspect_token(server.INTROSPECT, token=token)
    answer.raise_for_status()
    return answer.json()


def own(session):
    """The session's token for the client itself, which works."""
    token = session.fetch_token(grant_type="client_credentials", scope="feed")
    assert token["token_type"] == "Bearer" and token["scope"] == "feed", token
    assert "refresh_token" not in token, token
    told = introspected(session, token["access_token"])
    assert told["active"] is True and told["client_id"] == "shop", told


def outlives_its_access_tokens(session, updates):
    """Lets access tokens expire, one after the other, and goes on asking."""
    first = session.token["refresh_token"]
    tokens = [first]
    for _ in range(2):
        server.until_dead(session.token["access_token"])
        answer = session.get(server.ME)
        assert answer.status_code == 200, answer.text
        tokens.append(session.token["refresh_token"])
    assert len(set(tokens)) == 3, "each refresh gives another refresh token"
    assert updates == list(zip(tokens[1:], tokens)), "each was told, with the one it replaces"
    assert server.claims(tokens[-1])["sid"] == server.claims(first)["sid"]


def noting(updates):
    """An `update_token` that notes each new refresh token and the one before."""
    return lambda token, refresh_token: updates.append((token["refresh_token"], refresh_token))


@check
def the_metadata_is_valid():
    document = requests.get(server.METADATA, timeout=10).json()
    # RFC 8414 requires this member, and without an authorization endpoint there is none to name.
    # Authlib wants one all the same.
    assert document["response_types_supported"] == []
    AuthorizationServerMetadata(document | {"response_types_supported": ["none"]}).validate()
    assert document["token_endpoint"] == server.TOKEN


@check
def a_public_clients_session_refreshes_by_itself():
    updates = []
    session = client("hasty", update_token=noting(updates))
    session.token = server.person().login("hasty")
    outlives_its_access_tokens(session, updates)


@check
def a_confidential_clients_session_refreshes_by_itself():
    updates = []
    session = client("hasty-shop", server.SECRET, update_token=noting(updates))
    logged_in(session)
    outlives_its_access_tokens(session, updates)


@check
def a_clients_own_token_is_renewed_by_itself():
    updates = []
    session = client(
        "hasty-shop",
        server.SECRET,
        grant_type="client_credentials",
        update_token=lambda token, access_token: updates.append(access_token),
    )
    first = session.fetch_token()["access_token"]
    server.until_dead(first)
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
        error = refused(OAuthError, session.fetch_token, grant_type="client_credentials")
        assert error.error == "invalid_client", error


@check
def a_wider_scope_is_invalid_scope():
    error = refused(OAuthError, shop().fetch_token, grant_type="client_credentials", scope="all")
    assert error.error == "invalid_scope", error


@check
def of_live_tokens_introspection_tells_all():
    session = shop()
    tokens = logged_in(session)
    for kind in ["access_token", "refresh_token"]:
        told = introspected(session, tokens[kind])
        assert told["active"] is True and told["iss"] == server.ISSUER, told
        assert told["exp"] > time.time(), told
        assert told["sub"] == server.claims(tokens[kind])["sub"], told


@check
def an_expired_token_is_inactive():
    token = server.person().login("hasty")["access_token"]
    assert introspected(shop(), token)["active"] is True
    server.until_dead(token)
    assert introspected(shop(), token) == {"active": False}


@check
def a_flipped_signature_is_inactive():
    token = server.own_token()
    assert introspected(shop(), token)["active"] is True
    assert introspected(shop(), server.flipped(token)) == {"active": False}


@check
def a_revoked_session_is_over():
    for kind in ["refresh_token", "access_token"]:
        session = shop()
        tokens = logged_in(session)
        answer = session.revoke_token(server.REVOKE, token=tokens[kind], token_type_hint=kind)
        assert answer.status_code == 200 and not answer.content, answer.text
        refresh = tokens["refresh_token"]
        error = refused(OAuthError, session.refresh_token, refresh_token=refresh)
        assert error.error == "invalid_grant", error
        for dead in ["access_token", "refresh_token"]:
            assert introspected(session, tokens[dead]) == {"active": False}, dead


@check
def a_lost_answer_is_given_again():
    session = shop()
    first = logged_in(session)["refresh_token"]
    second = session.refresh_token(refresh_token=first)["refresh_token"]
    assert second != first
    assert session.refresh_token(refresh_token=first)["refresh_token"] == second


@check
def a_replay_outside_the_retry_window_ends_the_session():
    session = client("strict")
    first = server.person().login("strict")["refresh_token"]
    second = session.refresh_token(refresh_token=first)["refresh_token"]
    for dead in [first, second]:
        error = refused(OAuthError, session.refresh_token, refresh_token=dead)
        assert error.error == "invalid_grant", error


run()
