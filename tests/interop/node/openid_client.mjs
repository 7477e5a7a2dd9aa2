// openid-client as an OAuth client, from discovery by RFC 8414 to revocation.

import assert from "node:assert/strict";
import * as client from "openid-client";
import { check, rejected, run } from "./checks.mjs";
import * as server from "./server.mjs";

/** The configuration of a client after discovery. */
function configured(id, authentication) {
  return client.discovery(new URL(server.ISSUER), id, undefined, authentication, {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests],
  });
}

const theShop = () => configured("shop", client.ClientSecretBasic(server.SECRET));

/** The tokens of a new user with the confidential client. */
async function loggedIn(config) {
  return client.genericGrantRequest(config, "password", await server.person());
}

check("the server is discovered", async () => {
  const metadata = (await theShop()).serverMetadata();
  assert.equal(metadata.issuer, server.ISSUER);
  assert.equal(metadata.token_endpoint, `${server.ISSUER}/oauth2/token`);
});

check("client credentials with client_secret_basic and client_secret_post", async () => {
  for (const way of [client.ClientSecretBasic, client.ClientSecretPost]) {
    const config = await configured("shop", way(server.SECRET));
    const granted = await client.clientCredentialsGrant(config, { scope: "feed" });
    assert.equal(granted.scope, "feed");
    assert.equal(granted.refresh_token, undefined);
    const result = await client.tokenIntrospection(config, granted.access_token);
    assert.equal(result.active, true);
    assert.equal(result.client_id, "shop");
  }
});

check("a public client refreshes repeatedly", async () => {
  const config = await configured("web", client.None());
  const { refresh_token: first, session_id: session } = await server.login("web");
  let token = first;
  const seen = new Set([token]);
  for (let count = 0; count < 3; count += 1) {
    const granted = await client.refreshTokenGrant(config, token);
    assert.equal(server.claims(granted.access_token).sid, session);
    assert.equal(granted.expires_in, 300);
    token = granted.refresh_token;
    seen.add(token);
  }
  assert.equal(seen.size, 4);
});

check("a confidential client refreshes and accesses a protected resource", async () => {
  const config = await theShop();
  const login = await loggedIn(config);
  const granted = await client.refreshTokenGrant(config, login.refresh_token);
  const [before, after] = [login, granted].map((it) => server.claims(it.refresh_token));
  assert.deepEqual([after.sid, after.gen], [before.sid, before.gen + 1]);
  const me = new URL(`${server.ISSUER}/auth/me`);
  const response = await client.fetchProtectedResource(config, granted.access_token, me, "GET");
  assert.equal(response.status, 200);
});

check("a protected resource rejects expired tokens", async () => {
  const config = await configured("hasty", client.None());
  const { access_token: token } = await server.login("hasty");
  await server.untilExpired(token);
  const me = new URL(`${server.ISSUER}/auth/me`);
  const error = await rejected(client.fetchProtectedResource(config, token, me, "GET"), {
    code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE",
    status: 401,
  });
  assert.equal(error.cause[0].scheme, "bearer");
  assert.equal(error.cause[0].parameters.error, "invalid_token");
});

check("a lost response is repeated", async () => {
  const config = await configured("web", client.None());
  const { refresh_token: token } = await server.login("web");
  const first = await client.refreshTokenGrant(config, token);
  const again = await client.refreshTokenGrant(config, token);
  assert.equal(again.refresh_token, first.refresh_token);
});

check("reuse outside the retry window ends the session", async () => {
  const config = await configured("strict", client.None());
  const { refresh_token: token } = await server.login("strict");
  const { refresh_token: second } = await client.refreshTokenGrant(config, token);
  for (const dead of [token, second]) {
    await rejected(client.refreshTokenGrant(config, dead), { error: "invalid_grant" });
  }
});

check("a session survives a key rotation", async () => {
  const config = await theShop();
  const login = await loggedIn(config);
  await server.rotate();
  const granted = await client.refreshTokenGrant(config, login.refresh_token);
  const [before, after] = [login, granted].map((it) => server.header(it.refresh_token).kid);
  assert.notEqual(after, before);
  assert.equal((await client.tokenIntrospection(config, login.access_token)).active, true);
});

check("a revoked session has ended", async () => {
  const config = await theShop();
  const tokens = await loggedIn(config);
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, true);
  await client.tokenRevocation(config, tokens.refresh_token, { token_type_hint: "refresh_token" });
  const refreshed = client.refreshTokenGrant(config, tokens.refresh_token);
  await rejected(refreshed, { error: "invalid_grant" });
  for (const token of [tokens.access_token, tokens.refresh_token]) {
    assert.deepEqual(await client.tokenIntrospection(config, token), { active: false });
  }
});

check("a wrong secret is invalid_client", async () => {
  for (const way of [client.ClientSecretBasic, client.ClientSecretPost]) {
    const config = await configured("shop", way("wrong"));
    const error = await rejected(client.clientCredentialsGrant(config), { status: 401 });
    assert.equal(error.cause[0].scheme, "basic");
    assert.equal((await error.response.json()).error, "invalid_client");
  }
});

await run();
