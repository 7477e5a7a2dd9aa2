// The server under test, as far as no client library is concerned: people, logins, rotation.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

export const ISSUER = process.env.INTEROP_ISSUER;
export const ALGORITHM = process.env.INTEROP_ALGORITHM;
// The confidential client `shop`, and whom its tokens are for.
export const SECRET = process.env.INTEROP_SECRET;
export const AUDIENCE = "https://tank.example";
export const KEYS = new URL(`${ISSUER}/.well-known/jwks.json`);

let people = 0;

/** Somebody new, by the names that the password grant has. */
export async function person() {
  people += 1;
  const username = `${Date.now()}-${process.pid}-${people}@example.com`;
  const password = "seven blue snails";
  await post("/auth/signup", { email: username, password });
  return { username, password };
}

/** Tokens of a new session of somebody new with a public client. */
export async function login(client) {
  const { username, password } = await person();
  return post("/auth/login", { email: username, password, client_id: client });
}

/** An access token of the client `shop` for itself, asked for without a library. */
export async function ownToken() {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: "shop",
    client_secret: SECRET,
  });
  const answer = await fetch(`${ISSUER}/oauth2/token`, { method: "POST", body });
  return (await granted(answer)).access_token;
}

/** Rotates the keys as an operator does, and waits until the new one signs. */
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
    assert.ok(Date.now() < end, "the new key doesn't sign");
    await sleep(50);
  }
}

/** Waits until the token has expired, by anybody's clock. */
export async function untilDead(token) {
  await sleep(Math.max(0, claims(token).exp * 1000 + 200 - Date.now()));
}

/** The token with one bit of its signature changed. */
export function flipped(token) {
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
  const answer = await fetch(ISSUER + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(named),
  });
  return granted(answer);
}

async function granted(answer) {
  const text = await answer.text();
  assert.ok(answer.ok, `${answer.status}: ${text}`);
  return JSON.parse(text);
}
