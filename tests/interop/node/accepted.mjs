// Which libraries of Node accept the server's tokens and status lists, by algorithm. Each line of the
// table in docs/interop.md is an outcome of this script, so a change on either side shows there.

import assert from "node:assert/strict";
import { getListFromStatusListJWT, getStatusListFromJWT } from "@sd-jwt/jwt-status-list";
import { auth } from "express-oauth2-jwt-bearer";
import { createVerifier } from "fast-jwt";
import buildGetJwks from "get-jwks";
import { createRemoteJWKSet, jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
import jwksRsa from "jwks-rsa";
import * as oauth from "oauth4webapi";
import { check, run } from "./checks.mjs";
import * as server from "./server.mjs";

const { ISSUER: issuer, AUDIENCE: audience, KEYS } = server;
const keys = createRemoteJWKSet(KEYS);
const insecure = { [oauth.allowInsecureRequests]: true };

/** The claims that each library reads from a token, by its name and what it reads first. */
const readers = {
  "jose | key set": async (token) =>
    (await jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" })).payload,
  "jsonwebtoken, jwks-rsa | key set": async (token) => {
    const client = jwksRsa({ jwksUri: KEYS.href });
    const key = await client.getSigningKey(server.header(token).kid);
    return jsonwebtoken.verify(token, key.getPublicKey(), { issuer, audience });
  },
  "fast-jwt, get-jwks | key set": (token) =>
    fast(token, buildGetJwks({ jwksPath: "/.well-known/jwks.json" })),
  "fast-jwt, get-jwks | metadata": (token) =>
    fast(token, buildGetJwks({ providerDiscovery: true })),
  "express-oauth2-jwt-bearer | key set": (token) =>
    express(token, { jwksUri: KEYS.href, issuer, tokenSigningAlg: server.ALGORITHM }),
  "express-oauth2-jwt-bearer | metadata": (token) => express(token, { issuerBaseURL: issuer }),
  "oauth4webapi | metadata": async (token) => {
    const url = new URL(issuer);
    const options = { algorithm: "oauth2", ...insecure };
    const answer = await oauth.discoveryRequest(url, options);
    const metadata = await oauth.processDiscoveryResponse(url, answer);
    const request = new Request("https://tank.example/", {
      headers: { authorization: `Bearer ${token}` },
    });
    return oauth.validateJwtAccessToken(metadata, request, audience, insecure);
  },
};

function fast(token, jwks) {
  const key = ({ header }) =>
    jwks.getPublicKey({ kid: header.kid, alg: header.alg, domain: issuer });
  return createVerifier({ key, allowedIss: issuer, allowedAud: audience })(token);
}

/** Calls the middleware as Express does. */
function express(token, options) {
  const headers = { host: "tank.example", authorization: `Bearer ${token}` };
  const request = {
    headers,
    method: "GET",
    protocol: "https",
    originalUrl: "/",
    query: {},
    is: () => false,
    get: (name) => headers[name.toLowerCase()],
  };
  return new Promise((resolve, reject) => {
    const next = (error) => (error ? reject(error) : resolve(request.auth.payload));
    auth({ audience, ...options })(request, {}, next);
  });
}

/** Prints a line of the table. What is not accepted must be rejected with an error. */
async function tell(name, action) {
  let outcome = "yes";
  try {
    await action();
  } catch (error) {
    outcome = "no";
    console.log(`  ${name}: ${error.message} ${error.cause ?? ""}`);
  }
  console.log(`accepted | ${name} | ${server.ALGORITHM} | ${outcome}`);
}

for (const [name, read] of Object.entries(readers)) {
  check(`${name} gives an answer, and rejects a modified signature`, async () => {
    const token = await server.ownToken();
    await tell(name, async () => assert.equal((await read(token)).sub, "shop"));
    await assert.rejects(read(server.modified(token)));
  });
}

check("the status list gives an answer", async () => {
  const { access_token: token } = await server.login("watched");
  await tell("@sd-jwt/jwt-status-list, jose | status list", async () => {
    const { idx, uri } = getStatusListFromJWT(token);
    const list = await (await fetch(uri)).text();
    await jwtVerify(list, keys, { typ: "statuslist+jwt", subject: uri });
    assert.equal(getListFromStatusListJWT(list).getStatus(idx), 0);
  });
});

await run();
