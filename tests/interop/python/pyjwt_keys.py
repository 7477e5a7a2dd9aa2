"""PyJWT as a resource server: `PyJWKClient` gets the keys, `jwt.decode` checks the tokens."""

import jwt

import server
from checks import check, refused, run


class Keys(jwt.PyJWKClient):
    """A long-lived `PyJWKClient` that counts its fetches."""

    def __init__(self, **options):
        super().__init__(server.KEYS, timeout=10, **options)
        self.fetches = 0

    def fetch_data(self):
        self.fetches += 1
        return super().fetch_data()


def verified(keys, token, audience=server.AUDIENCE, issuer=server.ISSUER):
    """The claims of a token that holds: for this audience, of this issuer."""
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=[server.ALGORITHM],
        audience=audience,
        issuer=issuer,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti", "client_id"]},
    )


@check
def a_persons_token_is_verified():
    tokens = server.person().login("web")
    told = verified(Keys(), tokens["access_token"], audience=server.ISSUER)
    assert told["sid"] == tokens["session_id"], told
    assert told["client_id"] == "web", told


@check
def a_clients_own_token_is_verified():
    token = server.own_token()
    told = verified(Keys(), token)
    assert told["sub"] == "shop" and "sid" not in told, told
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


@check
def the_key_set_is_all_of_the_algorithm_and_fetched_once():
    keys = Keys()
    for _ in range(3):
        verified(keys, server.own_token())
    held = keys.get_signing_keys()
    assert {key.algorithm_name for key in held} == {server.ALGORITHM}, held
    assert len({key.key_id for key in held}) == len(held) >= 2, "one that signs and the next"
    assert keys.fetches == 1, keys.fetches


@check
def a_flipped_signature_is_refused():
    token = server.own_token()
    refused(jwt.InvalidSignatureError, verified, Keys(), server.flipped(token))


@check
def another_audience_is_refused():
    refused(jwt.InvalidAudienceError, verified, Keys(), server.own_token(), audience="other")


@check
def another_issuer_is_refused():
    refused(jwt.InvalidIssuerError, verified, Keys(), server.own_token(), issuer="other")


@check
def an_expired_token_is_refused():
    token = server.person().login("hasty")["access_token"]
    keys = Keys()
    verified(keys, token, audience=server.ISSUER)
    server.until_dead(token)
    refused(jwt.ExpiredSignatureError, verified, keys, token, audience=server.ISSUER)


@check
def a_refresh_token_is_no_access_token():
    token = server.person().login("web")["refresh_token"]
    refused(jwt.PyJWKClientError, verified, Keys(), token, audience=server.ISSUER)


@check
def a_rotation_is_not_noticed_by_keys_held_before_it():
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
def a_key_that_was_not_published_yet_is_fetched():
    keys = Keys(cooldown_duration=0)
    old = server.own_token()
    verified(keys, old)
    server.rotate()
    server.rotate()
    verified(keys, server.own_token())
    verified(keys, old)
    assert keys.fetches == 2, keys.fetches


run()
