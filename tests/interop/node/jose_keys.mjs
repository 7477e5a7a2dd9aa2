// jose as a resource server: `createRemoteJWKSet` fetches the keys, `jwtVerify` verifies tokens.

import assert from "node:assert/strict";
import { createRemoteJWKSet, customFetch, jwtVerify } from "jose";
import { check, rejected, run } from "./checks.mjs";
import * as server from "./server.mjs";

/** A long-lived key set that counts its fetches. */
function remoteKeys(options = {}) {
  const counted = { fetches: 0 };
  counted.keys = createRemoteJWKSet(server.KEYS, {
    ...options,
    [customFetch]: (...request) => {
      counted.fetches += 1;
      return fetch(...request);
    },
  });
  return counted;
}

/** The claims of a token, which must be valid for this type, audience and issuer. */
async function verified({ keys }, token, changed = {}) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: [server.ALGORITHM],
    typ: "at+jwt",
    issuer: server.ISSUER,
    audience: server.AUDIENCE,
    requiredClaims: ["exp", "iat", "sub", "jti", "client_id"],
    ...changed,
  });
  return payload;
}

check("a user token is verified", async () => {
  const tokens = await server.login("web");
  const result = await verified(remoteKeys(), tokens.access_token, { audience: server.ISSUER });
  assert.equal(result.sid, tokens.session_id);
  assert.equal(result.client_id, "web");
});

check("a client credentials token is verified", async () => {
  const result = await verified(remoteKeys(), await server.ownToken());
  assert.equal(result.sub, "shop");
  assert.equal(result.sid, undefined);
});

check("a modified signature is rejected", async () => {
  const token = server.modified(await server.ownToken());
  await rejected(verified(remoteKeys(), token), {
    code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
  });
});

check("another audience, issuer or type is rejected", async () => {
  const token = await server.ownToken();
  for (const [changed, claim] of [
    [{ audience: "other" }, "aud"],
    [{ issuer: "other" }, "iss"],
    [{ typ: "rt+jwt" }, "typ"],
  ]) {
    await rejected(verified(remoteKeys(), token, changed), {
      code: "ERR_JWT_CLAIM_VALIDATION_FAILED",
      claim,
    });
  }
});

check("expired tokens are rejected", async () => {
  const { access_token: token } = await server.login("hasty");
  const keys = remoteKeys();
  const audience = server.ISSUER;
  await verified(keys, token, { audience });
  await server.untilExpired(token);
  await rejected(verified(keys, token, { audience }), { code: "ERR_JWT_EXPIRED" });
});

check("a refresh token is not an access token", async () => {
  const { refresh_token: token } = await server.login("web");
  const lenient = { algorithms: undefined, audience: undefined, typ: undefined };
  await rejected(verified(remoteKeys(), token, lenient), { code: "ERR_JOSE_NOT_SUPPORTED" });
});

check("cached keys still verify after a rotation", async () => {
  const keys = remoteKeys();
  const old = await server.ownToken();
  await verified(keys, old);
  await server.rotate();
  const fresh = await server.ownToken();
  assert.notEqual(server.header(fresh).kid, server.header(old).kid);
  await verified(keys, fresh);
  await verified(keys, old);
  assert.equal(keys.fetches, 1);
});

check("unknown keys are fetched", async () => {
  const keys = remoteKeys({ cooldownDuration: 0 });
  const old = await server.ownToken();
  await verified(keys, old);
  await server.rotate();
  await server.rotate();
  await verified(keys, await server.ownToken());
  await verified(keys, old);
  assert.equal(keys.fetches, 2);
});

await run();
