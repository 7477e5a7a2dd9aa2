// The rules of docs/protocol.md, against a server that answers as each test tells it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import { AuthError, Client, memoryStorage } from "@aquaware/client";
import { fakeServer, problem, reasons } from "./support.mjs";

const STEPS = { backoff: 4, timeout: 2_000, patience: 2_000 };

/** A client that has logged in; what it sent until then is forgotten. */
async function loggedIn(t, options) {
  const server = await fakeServer(t);
  const storage = memoryStorage();
  const client = new Client(server.url, { storage, ...STEPS, ...options });
  await client.login("ann@example.com", "seven blue snails");
  server.requests.length = 0;
  return { server, storage, client, record: () => JSON.parse(storage.get()), told: reasons(client) };
}

const realNow = Date.now;

/** Sets the wall clock this many milliseconds ahead, until the test ends. */
function shiftClock(t, span) {
  Date.now = () => realNow() + span;
  t.after(() => (Date.now = realNow));
}

const keys = (server) => server.requests.map((it) => it.headers["idempotency-key"]);
const tokens = (server) => server.requests.map((it) => it.body.refresh_token);

test("the module has at most 3 KB with gzip", () => {
  const source = readFileSync(new URL("../client.js", import.meta.url));
  const size = gzipSync(source, { level: 9 }).length;
  assert.ok(size <= 3072, `${size} bytes`);
});

test("an access token is used until 90 % of its life are over", async (t) => {
  const { server, client, storage, record } = await loggedIn(t);
  const grow = (span) => {
    const { sent, ...rest } = record();
    storage.set(JSON.stringify({ ...rest, sent: sent.map((clock) => clock - span) }));
  };
  assert.equal(await client.token(), "a1");
  grow(269_000);
  assert.equal(await client.token(), "a1");
  assert.equal(server.requests.length, 0);
  grow(2_000);
  assert.equal(await client.token(), "a2");
  grow(-86_400_000);
  assert.equal(await client.token(), "a3", "an answer of tomorrow has no age");
});

test("a clock that is set back or forward by a day costs at most one refresh", async (t) => {
  const { server, client } = await loggedIn(t);
  for (const day of [86_400_000, -86_400_000]) {
    shiftClock(t, day);
    const before = server.requests.length;
    const token = await client.token();
    assert.equal(await client.token(), token);
    assert.ok(server.requests.length - before <= 1);
  }
});

test("the key is stored beside the refresh token before the first attempt", async (t) => {
  const { server, client, record } = await loggedIn(t);
  const { refresh, key } = record();
  assert.equal(refresh, "r1");
  assert.match(key, /^[!-~]{16,255}$/);
  await client.refresh("a1");
  assert.deepEqual([tokens(server), keys(server)], [["r1"], [key]]);
  assert.equal(record().refresh, "r2");
  assert.notEqual(record().key, key);
});

test("every outcome that is unknown or undecided is retried with the same key", async (t) => {
  const { server, client, record, told } = await loggedIn(t, { backoff: 0.1, timeout: 1_000, patience: 30_000 });
  const { key } = record();
  server.plan.push(
    "lost",
    "silent",
    [502, "<html>Bad Gateway</html>", { "content-type": "text/html" }],
    problem(503, "store_unavailable", { "retry-after": "0" }),
    problem(429, "rate_limited", { "retry-after": "0" }),
    problem(500, "internal_error"),
    problem(408, "request_timeout"),
    [504, ""],
    [522, ""],
    [200, "<html>Welcome to our hotel</html>"],
    [200, "null"],
    [200, { access_token: "a9", refresh_token: "r9", expires_in: 300 }, {}, "truncated"],
    [200, { access_token: "a1", refresh_token: "r1", expires_in: 300, session_id: "s" }],
    [200, { access_token: "a8", refresh_token: "r8", expires_in: 300, session_id: "other" }],
  );
  const sent = server.plan.length + 1;
  assert.equal(await client.refresh("a1"), "a2");
  assert.deepEqual(keys(server), Array(sent).fill(key));
  assert.deepEqual(tokens(server), Array(sent).fill("r1"));
  assert.deepEqual(told, []);
});

test("Retry-After is obeyed", async (t) => {
  const { server, client } = await loggedIn(t);
  server.plan.push(problem(429, "rate_limited", { "retry-after": "1" }));
  const start = performance.now();
  await client.refresh("a1");
  assert.ok(performance.now() - start >= 999);
});

test("a call gives up after its patience, and the next one continues the attempt", async (t) => {
  const { server, client, record, told } = await loggedIn(t);
  const { key } = record();
  server.plan.push(problem(503, "store_unavailable", { "retry-after": "3" }));
  const unavailable = (error) => error instanceof AuthError && error.code === "unavailable";
  await assert.rejects(client.refresh("a1"), unavailable);
  await assert.rejects(client.token().then(() => client.refresh("a1")), unavailable);
  assert.equal(server.requests.length, 1, "it does not ask before Retry-After is over");
  await sleep(1_500);
  assert.equal(await client.refresh("a1"), "a2");
  assert.deepEqual(keys(server), [key, key]);
  assert.deepEqual(told, []);
});

for (const code of [
  "refresh_token_expired",
  "refresh_token_reused",
  "session_revoked",
  "invalid_refresh_token",
]) {
  test(`${code} ends the session and is its reason`, async (t) => {
    const { server, client, storage, told } = await loggedIn(t);
    server.plan.push(problem(401, code));
    await assert.rejects(client.refresh("a1"), { code: "logged_out", body: { code, status: 401, detail: code } });
    assert.equal(storage.get(), null);
    assert.deepEqual(told, [code]);
    await assert.rejects(client.fetch(`${server.url}/api`), { code: "logged_out" });
    assert.equal(server.requests.length, 1);
  });
}

test("no other answer ends the session", async (t) => {
  const { server, client, record, told } = await loggedIn(t);
  const { key } = record();
  for (const [status, code] of [
    [400, "invalid_request"],
    [401, "proxy_authentication"],
    [401, undefined],
    [403, "cross_site"],
    [404, "not_found"],
  ]) {
    server.plan.push(problem(status, code));
    await assert.rejects(client.refresh("a1"), { code: code ?? "unavailable", status });
    assert.deepEqual([record().refresh, record().key], ["r1", key]);
  }
  assert.deepEqual(told, []);
});

test("calls of one tab share one refresh", async (t) => {
  const { server, client } = await loggedIn(t);
  const results = await Promise.all(Array.from({ length: 20 }, () => client.refresh("a1")));
  assert.deepEqual(new Set(results), new Set(["a2"]));
  assert.equal(server.requests.length, 1);
});

test("tabs that renew at once use one key, and the later answer replaces nothing", async (t) => {
  const { server, client, storage, record } = await loggedIn(t);
  const other = new Client(server.url, { storage, ...STEPS });
  const { key } = record();
  let answer;
  server.plan.push(() => new Promise((done) => (answer = done)));
  const first = client.refresh("a1");
  while (!answer) await sleep(1);
  assert.equal(await other.refresh("a1"), "a2");
  const after = storage.get();
  answer([200, { access_token: "late", refresh_token: "r2", expires_in: 300, session_id: "s" }]);
  assert.equal(await first, "late");
  assert.deepEqual(keys(server), [key, key]);
  assert.equal(storage.get(), after);
});

test("a tab uses the access token that another tab has stored", async (t) => {
  const { server, client, storage } = await loggedIn(t);
  const other = new Client(server.url, { storage, ...STEPS });
  await other.refresh("a1");
  assert.equal(await client.token(), "a2");
  assert.equal(await client.refresh("a1"), "a2");
  assert.equal(server.requests.length, 1);
});

test("an answer that arrives after the logout is not stored", async (t) => {
  const { server, client, storage } = await loggedIn(t);
  let answer;
  server.plan.push(() => new Promise((done) => (answer = done)), [204, ""]);
  const refresh = client.refresh("a1");
  while (!answer) await sleep(1);
  await client.logout();
  answer(server.success());
  await assert.rejects(refresh, { code: "logged_out" });
  assert.equal(storage.get(), null);
});

test("a refused token of an earlier session does not end the next session", async (t) => {
  const { server, client, record, told } = await loggedIn(t);
  let answer;
  server.plan.push(() => new Promise((done) => (answer = done)));
  const refresh = client.refresh("a1");
  while (!answer) await sleep(1);
  await client.adopt({ access_token: "b1", refresh_token: "s1", expires_in: 300 });
  answer(problem(401, "session_revoked"));
  assert.equal(await refresh, "b1");
  assert.equal(record().refresh, "s1");
  assert.deepEqual(told, []);
});

test("a token that cannot be stored is not used", async (t) => {
  const { server, client, storage, record } = await loggedIn(t);
  const { set } = storage;
  storage.set = () => {
    throw new Error("quota");
  };
  const { key } = record();
  await assert.rejects(client.refresh("a1"), { message: "quota" });
  storage.set = set;
  assert.equal(await client.refresh("a1"), "a3");
  assert.deepEqual(keys(server), [key, key]);
});

test("a profile without rotation keeps its refresh token", async (t) => {
  const { server, client, record } = await loggedIn(t);
  server.plan.push([200, { access_token: "a2", expires_in: 300, session_id: "s" }]);
  await client.refresh("a1");
  assert.equal(record().refresh, "r1");
  assert.equal(await client.token(), "a2");
});

test("fetch adds the token, and repeats a request with its body once after a 401", async (t) => {
  const { server, client } = await loggedIn(t);
  server.plan.push(problem(401, "invalid_token"));
  const init = { method: "POST", body: "fish", headers: { "x-fish": "1" } };
  const stream = new Blob(['"fish"']).stream();
  server.plan.push(server.success, [200, { fed: true }]);
  const response = await client.fetch(`${server.url}/api`, { ...init, body: stream, duplex: "half" });
  assert.deepEqual(await response.json(), { fed: true });
  const [first, , second] = server.requests;
  assert.equal(first.headers.authorization, "Bearer a1");
  assert.equal(second.headers.authorization, "Bearer a2");
  assert.deepEqual([second.body, second.headers["x-fish"]], ["fish", "1"]);
  server.plan.push(problem(401, "x"), server.success, problem(401, "x"));
  assert.equal((await client.fetch(`${server.url}/api`)).status, 401);
});

test("fetch returns a 401 whose challenge is not about the token", async (t) => {
  const { server, client } = await loggedIn(t);
  const challenge = (text) => [401, "", { "www-authenticate": text }];
  const call = async () => (await client.fetch(`${server.url}/auth/me`, { method: "DELETE", body: '"guess"' })).status;
  for (const text of ['Bearer realm="aquaware"', 'Basic realm="api"', 'Bearer error="insufficient_scope"']) {
    server.plan.push(challenge(text));
    assert.equal(await call(), 401);
  }
  assert.equal(server.requests.length, 3);
  server.plan.push(challenge('Basic, Bearer realm="a", error="invalid_token"'));
  assert.equal(await call(), 200);
  assert.equal(server.requests.length, 6);
});

test("other origins do not receive the token unless they are listed", async (t) => {
  const { server, client, storage } = await loggedIn(t);
  const other = await fakeServer(t);
  await assert.rejects(client.fetch(`${other.url}/api`), TypeError);
  assert.equal(other.requests.length, 0);
  const listed = new Client(server.url, { storage, origins: [other.url] });
  await listed.fetch(`${other.url}/api`);
  assert.equal(other.requests[0].headers.authorization, "Bearer a1");
});

test("redirects do not receive the refresh token", async (t) => {
  const { server, client, told } = await loggedIn(t, { patience: 50 });
  const other = await fakeServer(t);
  server.plan.push([307, "", { location: `${other.url}/auth/refresh` }]);
  await assert.rejects(client.refresh("a1"), { code: "unavailable" });
  assert.equal(other.requests.length, 0);
  assert.deepEqual(told, []);
});

test("failed logins report the code of the server and store nothing", async (t) => {
  const server = await fakeServer(t);
  const storage = memoryStorage();
  const client = new Client(server.url, { storage, ...STEPS });
  server.plan.push(problem(401, "invalid_credentials"), "lost", [200, "<html>"]);
  for (const code of ["invalid_credentials", "unavailable", "unavailable"]) {
    await assert.rejects(client.login("ann@example.com", "x"), { code });
    assert.equal(storage.get(), null);
  }
  assert.equal(server.requests.length, 3);
  assert.equal(await client.loggedIn(), false);
  assert.equal(client.persistent, false);
});

test("logout forgets at once, is retried, and reports an unreachable server", async (t) => {
  const { server, client, storage, told } = await loggedIn(t);
  server.plan.push("lost", [204, ""]);
  const done = client.logout();
  await sleep(0);
  assert.equal(storage.get(), null);
  await done;
  assert.deepEqual(tokens(server), ["r1", "r1"]);
  assert.deepEqual(told, ["logout"]);
  await client.adopt({ access_token: "b1", refresh_token: "s1", expires_in: 300 });
  server.plan.push(...Array(50).fill("lost"));
  const hasty = new Client(server.url, { storage, ...STEPS, patience: 20 });
  await assert.rejects(hasty.logout(), { code: "unavailable" });
  assert.equal(storage.get(), null);
});

test("a logout in another tab is told with the reason `elsewhere`", async (t) => {
  const server = await fakeServer(t);
  const storage = memoryStorage();
  let changed;
  const client = new Client(server.url, { storage: { ...storage, watch: (it) => (changed = it) } });
  const told = reasons(client);
  await client.login("ann@example.com", "x");
  storage.set(null);
  await changed();
  await changed();
  assert.deepEqual(told, ["elsewhere"]);
});

test("the cookie transport works without a token in the storage", async (t) => {
  const { server, client, record, told, storage } = await loggedIn(t, { transport: "cookie" });
  server.plan.push([200, { access_token: "a2", expires_in: 300, session_id: "s" }]);
  storage.set(JSON.stringify({ ...record(), refresh: undefined }));
  const { key } = record();
  await client.refresh("a1");
  assert.deepEqual([tokens(server), keys(server)], [[undefined], [key]]);
  server.plan.push(problem(400, "invalid_request"));
  await assert.rejects(client.refresh("a2"), { code: "logged_out" });
  assert.deepEqual(told, ["no_cookie"]);
});

test("a page that has a cookie but no storage continues its session", async (t) => {
  const server = await fakeServer(t);
  const client = new Client(server.url, { storage: memoryStorage(), transport: "cookie", ...STEPS });
  const told = reasons(client);
  server.plan.push([200, { access_token: "a1", expires_in: 300 }]);
  assert.equal(await client.token(), "a1");
  const stranger = new Client(server.url, { storage: memoryStorage(), transport: "cookie" });
  server.plan.push(problem(400, "invalid_request"));
  await assert.rejects(stranger.token(), { code: "logged_out" });
  assert.deepEqual(told, []);
});

test("foreign or damaged texts in the storage count as no session", async (t) => {
  const server = await fakeServer(t);
  for (const text of ["", "{", "7", "[]", '"x"', '{"access":"a"}', "null"]) {
    const storage = memoryStorage();
    storage.set(text);
    await assert.rejects(new Client(server.url, { storage }).token(), { code: "logged_out" });
  }
  assert.equal(server.requests.length, 0);
});
