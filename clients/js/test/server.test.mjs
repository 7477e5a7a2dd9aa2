// The client and the built program.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, memoryStorage } from "@aquaware/client";
import { person, realServer, reasons } from "./support.mjs";

const CLIENTS = `
[clients.strict]
retry_window = "0s"
[clients.spa]
refresh_transport = "cookie"
`;

/** `fetch` as a page of the issuer would call it: with its cookies and its origin. */
function browser(url) {
  const jar = new Map();
  return async (input, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("origin", url);
    if (init.credentials === "include" && jar.size > 0) {
      headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    }
    const response = await fetch(input, { ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/Max-Age=0/.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  };
}

test("the built program", async (t) => {
  const url = await realServer(t, CLIENTS);
  const opened = async (options) => {
    const user = await person(url);
    const client = new Client(url, { storage: memoryStorage(), backoff: 5, ...options });
    await client.login(user.email, user.password);
    return { client, user, told: reasons(client) };
  };

  await t.test("a session is used, renewed and ended", async () => {
    const { client, user, told } = await opened();
    const me = await (await client.fetch(`${url}/auth/me`)).json();
    assert.equal(me.email, user.email);
    const before = await client.token();
    assert.notEqual(await client.refresh(before), before);
    await client.logout();
    assert.deepEqual(told, ["logout"]);
    await assert.rejects(client.token(), { code: "logged_out" });
  });

  await t.test("a wrong password is sent once, although it is answered with 401", async () => {
    let calls = 0;
    const counted = (...call) => ((calls += 1), fetch(...call));
    const { client, user } = await opened({ fetch: counted });
    const remove = (current_password) =>
      client.fetch(`${url}/auth/me`, {
        method: "DELETE",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ current_password }),
      });
    calls = 0;
    const wrong = await remove("eight blue snails");
    assert.deepEqual([wrong.status, (await wrong.json()).code, calls], [401, "invalid_credentials", 1]);
    assert.equal((await remove(user.password)).status, 204);
  });

  await t.test("without a retry window, a lost answer and many tabs log out no one", async () => {
    const storage = memoryStorage();
    let lost = 0;
    const lossy = async (...call) => {
      const response = await fetch(...call);
      if (lost++ % 3 !== 0) return response;
      await response.body.cancel();
      throw new TypeError("lost");
    };
    const options = { clientId: "strict", storage, backoff: 5 };
    const { client, told } = await opened(options);
    const tabs = Array.from({ length: 5 }, () => new Client(url, { ...options, fetch: lossy }));
    for (let round = 0; round < 20; round += 1) {
      const token = await tabs[0].token();
      await Promise.all(tabs.map((tab) => tab.refresh(token)));
    }
    assert.equal((await client.fetch(`${url}/auth/me`)).status, 200);
    assert.deepEqual(told, []);
  });

  await t.test("a stolen token is reported to its owner", async () => {
    const storage = memoryStorage();
    const { client, told } = await opened({ clientId: "strict", storage });
    const { refresh } = JSON.parse(storage.get());
    const thief = new Client(url, { storage: memoryStorage() });
    await thief.adopt({ refresh_token: refresh });
    await thief.token();
    await assert.rejects(client.refresh(await client.token()), { code: "logged_out" });
    assert.deepEqual(told, ["refresh_token_reused"]);
    await assert.rejects(thief.refresh(await thief.token()), { code: "logged_out" });
  });

  await t.test("the device profile keeps its token", async () => {
    const storage = memoryStorage();
    const { client } = await opened({ clientId: "device", storage });
    const { refresh } = JSON.parse(storage.get());
    await client.refresh(await client.token());
    assert.equal(JSON.parse(storage.get()).refresh, refresh);
    assert.equal((await client.fetch(`${url}/auth/me`)).status, 200);
  });

  await t.test("the cookie transport works with the cookies of a browser", async () => {
    const options = { clientId: "spa", transport: "cookie", fetch: browser(url) };
    const { client, told } = await opened({ ...options, storage: memoryStorage() });
    await client.refresh(await client.token());
    const reloaded = new Client(url, { ...options, storage: memoryStorage() });
    await reloaded.token();
    await client.logout();
    assert.deepEqual(told, ["logout"]);
    await assert.rejects(client.token(), { code: "logged_out" });
  });
});
