// The server under test without a client library: users, logins, key rotation.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

export const ISSUER = process.env.INTEROP_ISSUER;
export const ALGORITHM = process.env.INTEROP_ALGORITHM;
// The secret of the confidential client `shop`, and the audience of its tokens.
export const SECRET = process.env.INTEROP_SECRET;
export const AUDIENCE = "https://tank.example";
export const KEYS = new URL(`${ISSUER}/.well-known/jwks.json`);

let people = 0;

/** A new user, with the parameter names of the password grant. */
export async function person() {
  people += 1;
  const username = `${Date.now()}-${process.pid}-${people}@example.com`;
  const password = "seven blue snails";
  await post("/auth/signup", { email: username, password });
  return { username, password };
}

/** The tokens of a new session of a new user with a public client. */
export async function login(client) {
  const { username, password } = await person();
  return post("/auth/login", { email: username, password, client_id: client });
}

/** A client credentials token of `shop`, requested without a library. */
export async function ownToken() {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: "shop",
    client_secret: SECRET,
  });
  const response = await fetch(`${ISSUER}/oauth2/token`, { method: "POST", body });
  return (await granted(response)).access_token;
}

/** Rotates the keys as an operator would, and waits until the new key signs. */
export async function rotate() {
  const before = header(await ownToken()).kid;
  execFileSync(process.env.INTEROP_PROGRAM, ["keys", "rotate"], {
    cwd: process.env.INTEROP_DIRECTORY,
    stdio: "pipe",
    timeout: 30_000,
  });
  process.kill(Number(process.env.INTEROP_PROCESS), "SIGHUP");
  const end = Date.now() + 20_000;
  while (header(await ownToken()).kid === before) {
    assert.ok(Date.now() < end, "the new key does not sign");
    await sleep(50);
  }
}

/** Waits until the token has expired. */
export async function untilExpired(token) {
  await sleep(Math.max(0, claims(token).exp * 1000 + 200 - Date.now()));
}

/** The token with one bit of its signature changed. */
export function modified(token) {
  const [head, body, signature] = token.split(".");
  const octets = Buffer.from(signature, "base64url");
  octets[octets.length >> 1] ^= 1;
  return `${head}.${body}.${octets.toString("base64url")}`;
}

/** The header, unchecked. */
export function header(token) {
  return decoded(token.split(".")[0]);
}

/** The claims, unchecked. */
export function claims(token) {
  return decoded(token.split(".")[1]);
}

function decoded(part) {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}

async function post(path, named) {
  const response = await fetch(ISSUER + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(named),
  });
  return granted(response);
}

async function granted(response) {
  const text = await response.text();
  assert.ok(response.ok, `${response.status}: ${text}`);
  return JSON.parse(text);
}
