// oauth4webapi as an OAuth client and, by RFC 9068, as a resource server.

import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { check, rejected, run } from "./checks.mjs";
import * as server from "./server.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };
const shop = { client_id: "shop" };
const web = { client_id: "web" };
const secret = oauth.ClientSecretBasic(server.SECRET);

async function discovered() {
  const issuer = new URL(server.ISSUER);
  const response = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  return oauth.processDiscoveryResponse(issuer, response);
}

async function ownToken(as, client, authentication, scope = "feed") {
  const parameters = [as, client, authentication, { scope }, insecure];
  const response = await oauth.clientCredentialsGrantRequest(...parameters);
  return oauth.processClientCredentialsResponse(as, client, response);
}

async function refreshed(as, client, authentication, token) {
  const response = await oauth.refreshTokenGrantRequest(as, client, authentication, token, insecure);
  return oauth.processRefreshTokenResponse(as, client, response);
}

async function introspected(as, token) {
  const response = await oauth.introspectionRequest(as, shop, secret, token, insecure);
  return oauth.processIntrospectionResponse(as, shop, response);
}

/** The claims of a request's token, verified by RFC 9068 without clock tolerance. */
function admitted(as, token, audience) {
  const request = new Request(`${server.AUDIENCE}/feed`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const exactly = { ...insecure, [oauth.clockTolerance]: 0 };
  return oauth.validateJwtAccessToken(as, request, audience, exactly);
}

check("the server is discovered", async () => {
  const as = await discovered();
  assert.equal(as.issuer, server.ISSUER);
  assert.equal(as.jwks_uri, server.KEYS.href);
});

check("the metadata of another issuer is rejected", async () => {
  const response = await oauth.discoveryRequest(new URL(server.ISSUER), {
    algorithm: "oauth2",
    ...insecure,
  });
  const other = new URL("https://other.example");
  await rejected(oauth.processDiscoveryResponse(other, response), {
    code: oauth.JSON_ATTRIBUTE_COMPARISON,
  });
});

check("a user token is an RFC 9068 access token", async () => {
  const tokens = await server.login("web");
  const result = await admitted(await discovered(), tokens.access_token, server.ISSUER);
  assert.equal(result.sid, tokens.session_id);
});

check("a client credentials token is an RFC 9068 access token", async () => {
  const as = await discovered();
  for (const way of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
    const granted = await ownToken(as, shop, way(server.SECRET));
    assert.equal(granted.scope, "feed");
    assert.equal(granted.refresh_token, undefined);
    const result = await admitted(as, granted.access_token, server.AUDIENCE);
    assert.equal(result.sub, "shop");
  }
});

check("a modified signature, another audience and a refresh token are rejected", async () => {
  const as = await discovered();
  const { access_token: good } = await ownToken(as, shop, secret);
  await admitted(as, good, server.AUDIENCE);
  const { refresh_token: refresh } = await server.login("web");
  for (const [token, audience, message] of [
    [server.modified(good), server.AUDIENCE, "JWT signature verification failed"],
    [good, "https://other.example", 'unexpected JWT "aud" (audience) claim value'],
    [refresh, server.ISSUER, 'unexpected JWT "alg" header parameter'],
  ]) {
    await rejected(admitted(as, token, audience), { message });
  }
});

check("expired tokens are rejected", async () => {
  const as = await discovered();
  const { access_token: token } = await server.login("hasty");
  await admitted(as, token, server.ISSUER);
  await server.untilExpired(token);
  await rejected(admitted(as, token, server.ISSUER), { code: oauth.JWT_TIMESTAMP_CHECK });
});

check("tokens still verify after a rotation", async () => {
  const as = await discovered();
  const { access_token: old } = await ownToken(as, shop, secret);
  await admitted(as, old, server.AUDIENCE);
  await server.rotate();
  const { access_token: fresh } = await ownToken(as, shop, secret);
  assert.notEqual(server.header(fresh).kid, server.header(old).kid);
  await admitted(as, fresh, server.AUDIENCE);
  await admitted(as, old, server.AUDIENCE);
});

check("a public client refreshes repeatedly", async () => {
  const as = await discovered();
  const { refresh_token: first, session_id: session } = await server.login("web");
  let token = first;
  const seen = new Set([token]);
  for (let count = 0; count < 3; count += 1) {
    const granted = await refreshed(as, web, oauth.None(), token);
    assert.equal(granted.token_type, "bearer");
    assert.equal(server.claims(granted.access_token).sid, session);
    token = granted.refresh_token;
    seen.add(token);
  }
  assert.equal(seen.size, 4);
});

check("a revoked session has ended", async () => {
  const as = await discovered();
  const tokens = await server.login("web");
  const result = await introspected(as, tokens.access_token);
  assert.equal(result.active, true);
  assert.equal(result.client_id, "web");
  const parameters = [as, web, oauth.None(), tokens.refresh_token];
  await oauth.processRevocationResponse(await oauth.revocationRequest(...parameters, insecure));
  await rejected(refreshed(...parameters), { error: "invalid_grant" });
  for (const token of [tokens.access_token, tokens.refresh_token]) {
    assert.deepEqual(await introspected(as, token), { active: false });
  }
});

check("a wrong secret is invalid_client", async () => {
  const as = await discovered();
  for (const way of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
    const error = await rejected(ownToken(as, shop, way("wrong")), { status: 401 });
    assert.equal(error.cause[0].scheme, "basic");
    assert.equal((await error.response.json()).error, "invalid_client");
  }
});

await run();
