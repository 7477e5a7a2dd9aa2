// clients/js in Chromium, with a client profile whose retry window is zero: only the key that tabs
// share in localStorage makes a repeated refresh harmless.

import assert from "node:assert/strict";

import { close, profile } from "./browser.mjs";
import { check, run } from "./checks.mjs";
import { ISSUER, person } from "./server.mjs";

const OPTIONS = '{ clientId: "strict", backoff: 20, timeout: 5_000 }';
const PAGE = `<!doctype html><title>test</title><script type="module">
  import { Client } from "/account/client.js";
  window.reasons = [];
  window.auth = new Client(location.origin, ${OPTIONS});
  auth.addEventListener("logout", ({ reason }) => reasons.push(reason));
</script>`;
const WORKER = `
  import { Client } from "/account/client.js";
  const auth = new Client(location.origin, ${OPTIONS});
  onmessage = async ({ data: [email, password] }) => {
    await auth.login(email, password);
    const renewed = await auth.refresh(await auth.token());
    const me = await auth.fetch("/auth/me");
    postMessage([auth.persistent, renewed === (await auth.token()), (await me.json()).email]);
  };`;

/** Runs `action` in a browser profile with a function that opens tabs. */
async function browser(action) {
  const { context, found } = await profile(ISSUER);
  await context.route(`${ISSUER}/test`, (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
  const tab = async () => {
    const page = await context.newPage();
    await page.goto(`${ISSUER}/test`);
    await page.waitForFunction("window.auth");
    return page;
  };
  try {
    await action(tab, context);
    assert.deepEqual(found, []);
  } finally {
    await context.close();
  }
}

const logIn = async (page) => {
  const { username, password } = await person();
  await page.evaluate(([email, password]) => auth.login(email, password), [username, password]);
  return username;
};
const token = (page) => page.evaluate(() => auth.token());
const refresh = (page, rejected) => page.evaluate((it) => auth.refresh(it), rejected);
const account = (page) => page.evaluate(async () => (await (await auth.fetch("/auth/me")).json()).email);
const reasons = (page) => page.evaluate(() => reasons);
const told = (page, reason) => page.waitForFunction((it) => reasons.includes(it), reason);

check("five tabs that renew at once, with lost answers and no retry window, stay logged in", () =>
  browser(async (open, context) => {
    const tabs = [];
    for (let count = 0; count < 5; count += 1) tabs.push(await open());
    const name = await logIn(tabs[0]);
    let requests = 0;
    await context.route("**/auth/refresh", async (route) => {
      requests += 1;
      if (requests % 3 !== 0) return route.continue();
      await route.fetch(); // the server has renewed the session, and the answer is lost
      return route.abort("connectionreset");
    });
    for (let round = 0; round < 8; round += 1) {
      const before = await token(tabs[round % 5]);
      const after = await Promise.all(tabs.map((it) => refresh(it, before)));
      assert.ok(after.every((it) => it !== before));
    }
    assert.ok(requests > 8, `${requests} requests`);
    for (const tab of tabs) {
      assert.equal(await account(tab), name);
      assert.deepEqual(await reasons(tab), []);
    }
  }),
);

check("a browser that goes offline in the middle of a refresh continues the attempt", () =>
  browser(async (open, context) => {
    const page = await open();
    const name = await logIn(page);
    const keys = [];
    await context.route("**/auth/refresh", async (route) => {
      keys.push(route.request().headers()["idempotency-key"]);
      if (keys.length > 1) return route.continue();
      await route.fetch();
      await context.setOffline(true);
      return route.abort("internetdisconnected");
    });
    const before = await token(page);
    const renewed = refresh(page, before);
    await page.waitForEvent("requestfailed");
    await context.setOffline(false);
    assert.notEqual(await renewed, before);
    assert.equal(await account(page), name);
    assert.deepEqual([new Set(keys).size, await reasons(page)], [1, []]);
  }),
);

check("a tab that is closed in the middle of a refresh leaves its attempt to the others", () =>
  browser(async (open, context) => {
    const [first, second] = [await open(), await open()];
    const name = await logIn(first);
    const before = await token(second);
    let arrived;
    const renewed = new Promise((done) => (arrived = done));
    await first.route("**/auth/refresh", async (route) => {
      await route.fetch();
      arrived();
    });
    first.evaluate((it) => auth.refresh(it), before).catch(() => {});
    await renewed;
    await first.close();
    assert.notEqual(await refresh(second, before), before);
    assert.equal(await account(second), name);
    assert.equal(context.pages().length, 1);
  }),
);

check("a login and a logout in one tab reach the others", () =>
  browser(async (open) => {
    const [first, second] = [await open(), await open()];
    const name = await logIn(first);
    assert.equal(await account(second), name);
    await first.evaluate(() => auth.logout());
    await told(second, "elsewhere");
    assert.deepEqual([await reasons(first), await reasons(second)], [["logout"], ["elsewhere"]]);
    assert.equal(await second.evaluate(() => auth.loggedIn()), false);
  }),
);

check("a stolen refresh token is told to its owner, in every tab", () =>
  browser(async (open) => {
    const [first, second] = [await open(), await open()];
    await logIn(first);
    await token(second);
    const { refresh: stolen } = await first.evaluate(() => JSON.parse(localStorage.getItem("aquaware")));
    const thief = await fetch(`${ISSUER}/auth/refresh`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ refresh_token: stolen }),
    });
    assert.equal(thief.status, 200);
    const code = first.evaluate(async () => auth.refresh(await auth.token()).catch((it) => it.code));
    assert.equal(await code, "logged_out");
    await told(second, "elsewhere");
    assert.deepEqual(await reasons(first), ["refresh_token_reused"]);
  }),
);

check("a worker keeps a session in its memory", () =>
  browser(async (open, context) => {
    await context.route(`${ISSUER}/worker.js`, (route) =>
      route.fulfill({ contentType: "text/javascript", body: WORKER }),
    );
    const page = await open();
    const { username, password } = await person();
    const answer = await page.evaluate(
      (user) =>
        new Promise((done, failed) => {
          const worker = new Worker("/worker.js", { type: "module" });
          Object.assign(worker, { onmessage: ({ data }) => done(data), onerror: (it) => failed(it.message) });
          worker.postMessage(user);
        }),
      [username, password],
    );
    assert.deepEqual(answer, [false, true, username]);
  }),
);

await run();
await close();
