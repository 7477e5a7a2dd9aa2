"""PyJWT as a resource server: `PyJWKClient` fetches the keys, `jwt.decode` verifies tokens."""

import jwt

import server
from checks import check, rejected, run


class Keys(jwt.PyJWKClient):
    """A long-lived `PyJWKClient` that counts its fetches."""

    def __init__(self, **options):
        super().__init__(server.KEYS, timeout=10, **options)
        self.fetches = 0

    def fetch_data(self):
        self.fetches += 1
        return super().fetch_data()


def verified(keys, token, audience=server.AUDIENCE, issuer=server.ISSUER):
    """The claims of a token, which must be valid for this audience and issuer."""
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=[server.ALGORITHM],
        audience=audience,
        issuer=issuer,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti", "client_id"]},
    )


@check
def a_user_token_is_verified():
    tokens = server.person().login("web")
    result = verified(Keys(), tokens["access_token"], audience=server.ISSUER)
    assert result["sid"] == tokens["session_id"], result
    assert result["client_id"] == "web", result


@check
def a_client_credentials_token_is_verified():
    token = server.own_token()
    result = verified(Keys(), token)
    assert result["sub"] == "shop" and "sid" not in result, result
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


@check
def the_key_set_has_keys_of_one_algorithm_and_is_fetched_once():
    keys = Keys()
    for _ in range(3):
        verified(keys, server.own_token())
    held = keys.get_signing_keys()
    assert {key.algorithm_name for key in held} == {server.ALGORITHM}, held
    assert len({key.key_id for key in held}) == len(held) >= 2, "the active key and the next"
    assert keys.fetches == 1, keys.fetches


@check
def a_modified_signature_is_rejected():
    token = server.own_token()
    rejected(jwt.InvalidSignatureError, verified, Keys(), server.modified(token))


@check
def another_audience_is_rejected():
    rejected(jwt.InvalidAudienceError, verified, Keys(), server.own_token(), audience="other")


@check
def another_issuer_is_rejected():
    rejected(jwt.InvalidIssuerError, verified, Keys(), server.own_token(), issuer="other")


@check
def expired_tokens_are_rejected():
    token = server.person().login("hasty")["access_token"]
    keys = Keys()
    verified(keys, token, audience=server.ISSUER)
    server.until_expired(token)
    rejected(jwt.ExpiredSignatureError, verified, keys, token, audience=server.ISSUER)


@check
def a_refresh_token_is_not_an_access_token():
    token = server.person().login("web")["refresh_token"]
    rejected(jwt.PyJWKClientError, verified, Keys(), token, audience=server.ISSUER)


@check
def cached_keys_still_verify_after_a_rotation():
    keys = Keys()
    old = server.own_token()
    verified(keys, old)
    server.rotate()
    new = server.own_token()
    assert server.header(new)["kid"] != server.header(old)["kid"]
    verified(keys, new)
    verified(keys, old)
    assert keys.fetches == 1, keys.fetches


@check
def unknown_keys_are_fetched():
    keys = Keys(cooldown_duration=0)
    old = server.own_token()
    verified(keys, old)
    server.rotate()
    server.rotate()
    verified(keys, server.own_token())
    verified(keys, old)
    assert keys.fetches == 2, keys.fetches


run()
