"""Which libraries of Python accept the server's tokens, by algorithm.

Each line of the table in docs/interop.md is an outcome of this script, so a change on either side
shows there.
"""

import json

import jwt
import requests
from authlib.jose import JsonWebKey, JsonWebToken
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

import server
from checks import check, run


def pyjwt(token):
    key = jwt.PyJWKClient(server.KEYS).get_signing_key_from_jwt(token)
    return jwt.decode(
        token, key, algorithms=[server.ALGORITHM], audience=server.AUDIENCE, issuer=server.ISSUER
    )


def authlib(token):
    keys = JsonWebKey.import_key_set(requests.get(server.KEYS, timeout=10).json())
    claims = JsonWebToken([server.ALGORITHM]).decode(token, keys)
    claims.validate()
    return claims


def joserfc(token):
    keys = KeySet.import_key_set(requests.get(server.KEYS, timeout=10).json())
    claims = joserfc_jwt.decode(token, keys, algorithms=[server.ALGORITHM]).claims
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": server.ISSUER},
        aud={"essential": True, "value": server.AUDIENCE},
    )
    registry.validate(claims)
    return claims


def jwcrypto(token):
    keys = jwcrypto_jwk.JWKSet.from_json(requests.get(server.KEYS, timeout=10).text)
    checks = {"iss": server.ISSUER, "aud": server.AUDIENCE}
    # The library's default list of algorithms lacks those of RFC 8037.
    read = jwcrypto_jwt.JWT(
        jwt=token, key=keys, algs=[server.ALGORITHM], check_claims=checks, expected_type="JWS"
    )
    return json.loads(read.claims)


def tell(name, read, token):
    """Prints a line of the table."""
    try:
        assert read(token)["sub"] == "shop"
        outcome = "yes"
    except Exception as error:  # whatever the library reports
        print(f"  {name}: {error!r}")
        outcome = "no"
    print(f"accepted | {name} | key set | {server.ALGORITHM} | {outcome}")


def gives_an_answer(name, read):
    token = server.own_token()
    tell(name, read, token)
    try:
        read(server.modified(token))
    except Exception:
        return
    raise AssertionError("a modified signature is accepted")


@check
def pyjwt_gives_an_answer_and_rejects_a_modified_signature():
    gives_an_answer("PyJWT", pyjwt)


@check
def authlib_gives_an_answer_and_rejects_a_modified_signature():
    gives_an_answer("Authlib", authlib)


@check
def joserfc_gives_an_answer_and_rejects_a_modified_signature():
    gives_an_answer("joserfc", joserfc)


@check
def jwcrypto_gives_an_answer_and_rejects_a_modified_signature():
    gives_an_answer("jwcrypto", jwcrypto)


run()
