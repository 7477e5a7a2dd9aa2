// @sd-jwt/jwt-status-list reads the status lists, jose verifies their signatures.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { getListFromStatusListJWT, getStatusListFromJWT } from "@sd-jwt/jwt-status-list";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { check, rejected, run } from "./checks.mjs";
import * as server from "./server.mjs";

const keys = createRemoteJWKSet(server.KEYS);

/** Fetches and verifies the list at this URL. */
async function fetched(uri) {
  const response = await fetch(uri, { headers: { accept: "application/statuslist+jwt" } });
  assert.equal(response.headers.get("content-type"), "application/statuslist+jwt");
  const token = await response.text();
  const { payload } = await jwtVerify(token, keys, {
    algorithms: [server.ALGORITHM],
    typ: "statuslist+jwt",
    subject: uri,
    requiredClaims: ["iat", "exp", "ttl"],
  });
  assert.equal(payload.ttl, 10);
  return { token, list: getListFromStatusListJWT(token) };
}

/** The current status of the session of these tokens. */
async function status({ access_token: token }) {
  const { idx, uri } = getStatusListFromJWT(token);
  return (await fetched(uri)).list.getStatus(idx);
}

check("an active session is valid", async () => {
  assert.equal(await status(await server.login("watched")), 0);
});

check("a revocation shows within a second and for its session only", async () => {
  const [gone, stays] = [await server.login("watched"), await server.login("watched")];
  const body = new URLSearchParams({ token: gone.access_token, client_id: "watched" });
  const response = await fetch(`${server.ISSUER}/oauth2/revoke`, { method: "POST", body });
  assert.equal(response.status, 200);
  const acknowledged = Date.now();
  for (;;) {
    const sent = Date.now();
    const value = await status(gone);
    if (value !== 0) {
      assert.equal(value, 1);
      break;
    }
    assert.ok(sent < acknowledged + 1000, "the revocation does not show");
    await sleep(20);
  }
  assert.equal(await status(stays), 0);
});

check("the aggregation contains the lists of tokens", async () => {
  const { uri } = getStatusListFromJWT((await server.login("watched")).access_token);
  const place = `${server.ISSUER}/.well-known/oauth-authorization-server`;
  const metadata = await (await fetch(place)).json();
  const named = await (await fetch(metadata.status_list_aggregation_endpoint)).json();
  assert.ok(named.status_lists.includes(uri));
  for (const list of named.status_lists) {
    await fetched(list);
  }
});

check("lists and access tokens are not interchangeable", async () => {
  const { access_token: access } = await server.login("watched");
  const { uri } = getStatusListFromJWT(access);
  const { token } = await fetched(uri);
  await rejected(jwtVerify(token, keys, { typ: "at+jwt" }), { claim: "typ" });
  await rejected(jwtVerify(access, keys, { typ: "statuslist+jwt" }), { claim: "typ" });
});

check("cached keys still verify after a rotation", async () => {
  const tokens = await server.login("watched");
  const { uri } = getStatusListFromJWT(tokens.access_token);
  const before = server.header((await fetched(uri)).token).kid;
  await server.rotate();
  const { token } = await fetched(uri);
  assert.notEqual(server.header(token).kid, before);
  assert.equal(await status(tokens), 0);
});

await run();
