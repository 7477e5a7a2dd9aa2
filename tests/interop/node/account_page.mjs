// The page /account in Chromium.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { accessible, close, visit } from "./browser.mjs";
import { check, run } from "./checks.mjs";
import { ISSUER, person } from "./server.mjs";

const PAGE = `${ISSUER}/account`;
const PASSWORD = "seven blue snails";
const LOOKS = [1280, 360].flatMap((width) =>
  ["light", "dark"].map((colorScheme) => ({ viewport: { width, height: 900 }, colorScheme })),
);
let people = 0;

const heading = (page, text) => page.locator("h1", { hasText: text }).waitFor();
const button = (page, name) => page.getByRole("button", { name, exact: true });
const note = (page, text) => page.locator("[role=status]", { hasText: text }).waitFor();
const device = (page) => page.locator(".sessions li", { hasText: "This device" });

async function logIn(page, { username, password }, address = PAGE) {
  await page.goto(address);
  await page.getByLabel("E-mail address").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.locator("form").getByRole("button", { name: "Log in" }).click();
  await device(page).waitFor();
}

/** The session that the page has stored. */
const stored = (page) =>
  page.evaluate(() =>
    JSON.parse(
      Object.entries(localStorage).find(([name]) => name.startsWith("aquaware-account"))?.[1] ?? "{}",
    ),
  );

/** Makes the page renew its access token before its next call. */
const age = (page) =>
  page.evaluate(() => {
    const [name, text] = Object.entries(localStorage).find(([it]) => it.startsWith("aquaware-account"));
    localStorage.setItem(name, JSON.stringify({ ...JSON.parse(text), sent: [0, 0] }));
  });

const api = async (method, route, token, body) => {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(ISSUER + route, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${route}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
};

check("an account is created, changed and deleted by keyboard alone", () =>
  visit(ISSUER, {}, async (page) => {
    await page.goto(PAGE);
    await heading(page, "Log in");
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const reach = async (locator) => {
      for (let presses = 0; presses < 60; presses += 1) {
        if (await locator.evaluate((it) => it === document.activeElement)) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`${locator} cannot be reached`);
    };
    const type = async (label, text) => {
      await reach(page.getByLabel(label, { exact: true }));
      await press("Control+A");
      await page.keyboard.type(text);
    };
    await reach(page.getByRole("link", { name: "Create an account" }));
    await press("Enter");
    await heading(page, "Create an account");
    const email = `keys-${Date.now()}@example.com`;
    await type("First name (optional)", "Ann");
    await type("E-mail address", email);
    await type("Password", PASSWORD);
    await press("Enter");
    await heading(page, "Hello, Ann");
    await type("Last name", "Example");
    await press("Enter");
    await note(page, "Saved.");
    await reach(page.locator("summary", { hasText: "Change the password" }));
    await press("Enter");
    const form = page.locator("[data-form=password]");
    await reach(form.getByLabel("Current password", { exact: true }));
    await page.keyboard.type(PASSWORD);
    await reach(form.getByLabel("New password", { exact: true }));
    await page.keyboard.type("eight green snails");
    await press("Enter");
    await note(page, "Your password is changed");
    await reach(page.locator("summary", { hasText: "Delete my account" }));
    await press("Enter");
    await reach(page.locator("[data-form=delete]").getByLabel("Current password", { exact: true }));
    await page.keyboard.type("eight green snails");
    await press("Enter");
    await note(page, "Your account is deleted.");
    assert.deepEqual(await stored(page), {});
  }),
);

check("every view satisfies axe-core at 360 and 1280 pixels, light and dark", async () => {
  const { username, password } = await person();
  for (const look of LOOKS) {
    await visit(ISSUER, look, async (page) => {
      await page.goto(PAGE);
      await heading(page, "Log in");
      await accessible(page);
      await page.locator("form").getByRole("button", { name: "Log in" }).click();
      await page.locator(".error").first().waitFor();
      await accessible(page);
      await page.goto(`${PAGE}#signup`);
      await heading(page, "Create an account");
      await accessible(page);
      await page.goto(`${PAGE}#login`);
      await logIn(page, { username, password });
      await accessible(page);
      for (const summary of await page.locator("summary").all()) await summary.click();
      await accessible(page);
    });
  }
});

check("errors are beside their fields, which have the focus", () =>
  visit(ISSUER, {}, async (page) => {
    const { username, password } = await person();
    const wrong = async (field, text) => {
      const input = page.locator(field);
      await page.locator(".error", { hasText: text }).first().waitFor();
      assert.equal(await input.getAttribute("aria-invalid"), "true");
      const described = await input.evaluate((it) =>
        it
          .getAttribute("aria-describedby")
          .split(" ")
          .map((id) => document.getElementById(id).textContent)
          .join(" "),
      );
      assert.ok(described.includes(text), described);
      assert.ok(await input.evaluate((it) => it === document.activeElement), `${field} has the focus`);
    };
    await page.goto(`${PAGE}#signup`);
    await button(page, "Create account").click();
    await wrong("#email", "Fill in this field.");
    await page.fill("#email", "ann");
    await page.fill("#password", "password");
    await button(page, "Create account").click();
    await wrong("#email", "complete e-mail address");
    await page.fill("#email", username);
    assert.equal(await page.locator("#email").getAttribute("aria-invalid"), null);
    await button(page, "Create account").click();
    await wrong("#password", "This is one of the first passwords");
    await page.fill("#password", password);
    await button(page, "Create account").click();
    await wrong("#email", "There is an account with this address already.");
    await page.goto(`${PAGE}#login`);
    await page.fill("#email", username);
    await page.fill("#password", "wrong");
    await page.keyboard.press("Enter");
    await wrong("#password", "The e-mail address or the password is wrong.");
    await logIn(page, { username, password });
    const requests = [];
    page.on("request", (it) => requests.push(it.url()));
    await page.locator("summary", { hasText: "Change the password" }).click();
    await page.fill("#current_password", "wrong");
    await page.fill("#new_password", "eight green snails");
    await page.keyboard.press("Enter");
    await wrong("#current_password", "This is not your current password.");
    // A second attempt would count as a second guess.
    assert.deepEqual(requests, [`${ISSUER}/auth/password`]);
  }),
);

check("sessions are listed with device, place and time, and can be ended", () =>
  visit(ISSUER, {}, async (page) => {
    const { username, password } = await person();
    const body = { email: username, password, device_name: "Ann's kitchen" };
    const login = async () => (await api("POST", "/auth/login", "", body)).access_token;
    await login();
    await logIn(page, { username, password });
    const kitchen = page.locator(".sessions li", { hasText: "Ann's kitchen" });
    await kitchen.waitFor();
    assert.match(await kitchen.innerText(), /127\.0\.0\.0\/24 · last active .*\n+Logged in on \d/);
    assert.match(
      await device(page).innerText(),
      /Chrome on Linux This device\n+127\.0\.0\.0\/24 · active now/,
    );
    await kitchen.getByRole("button").click();
    await note(page, "Ann's kitchen is logged out.");
    await page.getByText("You are logged in nowhere else.").waitFor();
    const other = await login();
    await page.reload();
    await kitchen.waitFor();
    await button(page, "Log out everywhere").click();
    await note(page, "You are logged out on all your devices.");
    const headers = { authorization: `Bearer ${other}` };
    assert.equal((await fetch(`${ISSUER}/auth/me`, { headers })).status, 401);
  }),
);

check("tabs that renew at once stay logged in, and log out together", () =>
  visit(ISSUER, {}, async (page, context) => {
    await logIn(page, await person());
    const tabs = [page];
    for (let count = 1; count < 5; count += 1) tabs.push(await context.newPage());
    await age(page);
    await Promise.all(tabs.map((it) => it.goto(PAGE)));
    for (const tab of tabs) await device(tab).waitFor();
    assert.equal(await page.locator(".sessions li").count(), 1);
    await page.locator("#log-out").click();
    await note(page, "You are logged out.");
    for (const tab of tabs.slice(1)) await note(tab, "You have logged out in another tab.");
    const { username, password } = await person();
    await page.fill("#email", username);
    await page.fill("#password", password);
    await page.keyboard.press("Enter");
    for (const tab of tabs) await device(tab).waitFor();
  }),
);

check("a session that was ended elsewhere leads to the login, with the reason", () =>
  visit(ISSUER, {}, async (page) => {
    await logIn(page, await person());
    const { access } = await stored(page);
    await api("POST", "/auth/logout-all", access);
    await button(page, "Save name").click();
    await note(page, "This session was ended. Log in again.");
    await heading(page, "Log in");
    assert.equal(await page.locator(".sessions").count(), 0);
  }),
);

check("the back button moves between views, and shows no account after the logout", () =>
  visit(ISSUER, {}, async (page) => {
    const { username, password } = await person();
    await page.goto(PAGE);
    await page.getByRole("link", { name: "Create an account" }).click();
    await heading(page, "Create an account");
    await page.goBack();
    await heading(page, "Log in");
    await page.goForward();
    await heading(page, "Create an account");
    await page.getByRole("link", { name: "Log in to an account" }).click();
    await heading(page, "Log in");
    await logIn(page, { username, password });
    await page.locator("#log-out").click();
    await heading(page, "Log in");
    for (let steps = 0; steps < 3; steps += 1) {
      await page.goBack();
      await page.locator("h1").waitFor();
      assert.ok(!(await page.innerText("body")).includes(username));
    }
  }),
);

check("a reload during a refresh does not log out", () =>
  visit(ISSUER, {}, async (page) => {
    await logIn(page, await person());
    let refreshes = 0;
    await page.route("**/auth/refresh", async (route) => {
      refreshes += 1;
      // The server renews, and the answer of the first request never arrives.
      const response = await route.fetch();
      if (refreshes === 1) await sleep(60_000, undefined, { ref: false });
      else await route.fulfill({ response });
    });
    await age(page);
    await page.reload({ waitUntil: "commit" });
    while (refreshes === 0) await sleep(20);
    await sleep(300);
    await page.reload();
    await device(page).waitFor();
    assert.ok(refreshes > 1);
  }),
);

check("a browser that is offline in the middle of a refresh continues where it was", () =>
  visit(ISSUER, {}, async (page, context) => {
    await logIn(page, await person());
    let lost = 0;
    await page.route("**/auth/refresh", async (route) => {
      if (lost > 0) return route.continue();
      lost += 1;
      await route.fetch(); // the server has renewed the session
      await context.setOffline(true);
      return route.abort("internetdisconnected");
    });
    await age(page);
    await page.locator("#first_name").fill("Ann");
    await button(page, "Save name").click();
    await page.locator("#connection", { hasText: "You are offline." }).waitFor();
    await sleep(1_500);
    await context.setOffline(false);
    await note(page, "Saved.");
    await page.locator("#connection").waitFor({ state: "hidden" });
    await heading(page, "Hello, Ann");
  }),
);

check("without storage the page says so, works until a reload and does not loop", () =>
  visit(ISSUER, {}, async (page) => {
    await page.addInitScript(() => {
      Object.defineProperty(window, "localStorage", {
        get() {
          throw new DOMException("denied", "SecurityError");
        },
      });
    });
    let requests = 0;
    page.on("request", () => (requests += 1));
    const { username, password } = await person();
    await page.goto(PAGE);
    await page.getByText("This browser keeps no data for this site").waitFor();
    await accessible(page);
    const before = requests;
    await sleep(1_000);
    assert.equal(requests, before);
    await page.fill("#email", username);
    await page.fill("#password", password);
    await page.keyboard.press("Enter");
    await device(page).waitFor();
    await page.reload();
    await heading(page, "Log in");
  }),
);

check("links in messages reset the password and confirm the address, after the user agreed", () =>
  visit(ISSUER, {}, async (page) => {
    // This server sends no messages: the page is told that it does, and its answers are made here.
    await page.route(/\/account(\/verify-email)?$/, async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replace('data-messages="off"', 'data-messages="on"');
      await route.fulfill({ response, body });
    });
    const calls = [];
    const answer = (path, status, json) =>
      page.route(`**${path}`, (route) => {
        calls.push([path, route.request().postDataJSON()]);
        return json ? route.fulfill({ status, json }) : route.fulfill({ status });
      });
    await answer("/auth/password/reset-request", 202);
    await answer("/auth/password/reset", 204);
    await answer("/auth/email/verify", 400, { code: "invalid_message_token", detail: "…" });
    await page.goto(PAGE);
    await page.getByRole("link", { name: "Forgot your password?" }).click();
    await accessible(page);
    await page.fill("#email", "ann@example.com");
    await page.keyboard.press("Enter");
    await note(page, "If there is an account with the address ann@example.com");
    assert.deepEqual(calls.pop(), ["/auth/password/reset-request", { email: "ann@example.com" }]);

    await page.goto(`${PAGE}#reset=abc.def.ghi`);
    await heading(page, "Choose a new password");
    assert.ok(!page.url().includes("abc"), page.url());
    await accessible(page);
    assert.deepEqual(calls, []);
    await page.fill("#new_password", PASSWORD);
    await page.keyboard.press("Enter");
    await note(page, "Log in with the new password.");
    assert.deepEqual(calls.pop(), ["/auth/password/reset", { token: "abc.def.ghi", new_password: PASSWORD }]);

    const { username, password } = await person();
    await logIn(page, { username, password });
    await page.getByText("Not confirmed").waitFor();
    await accessible(page);
    const claims = Buffer.from(JSON.stringify({ use: "verify" })).toString("base64url");
    await page.goto(`${PAGE}/verify-email#token=e30.${claims}.x`);
    await heading(page, "Confirm your e-mail address");
    assert.equal(page.url(), `${PAGE}#verify`);
    assert.deepEqual(calls, []);
    await button(page, "Confirm address").click();
    await page.getByRole("alert").filter({ hasText: "This link is no longer valid." }).waitFor();
    assert.deepEqual(calls.pop(), ["/auth/email/verify", { token: `e30.${claims}.x` }]);
    await page.getByRole("link", { name: "Not now" }).click();
    await device(page).waitFor();
  }),
);

/** A server below a path whose client `web` has its refresh token in a cookie, behind a proxy. */
async function withPath(action) {
  const directory = await mkdtemp(path.join(tmpdir(), "aquaware-page-"));
  let upstream;
  const proxy = http.createServer((request, response) => {
    const stripped = request.url.replace(/^\/eu\/prod(?=\/|$)/, "");
    const options = { port: upstream, path: stripped, method: request.method, headers: request.headers };
    const forwarded = http.request({ host: "127.0.0.1", ...options }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const origin = `http://127.0.0.1:${proxy.address().port}`;
  const server = spawn(process.env.INTEROP_PROGRAM, [], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      AQUAWARE_ISSUER: `${origin}/eu/prod`,
      AQUAWARE_LISTEN__PUBLIC: "127.0.0.1:0",
      AQUAWARE_LISTEN__MANAGEMENT: "127.0.0.1:0",
      AQUAWARE_CLIENTS__WEB__REFRESH_TRANSPORT: "cookie",
      AQUAWARE_LOG__FORMAT: "json",
    },
  });
  try {
    upstream = await new Promise((resolve, reject) => {
      let log = "";
      const read = (part) => {
        log += part;
        const address = /"public":"127\.0\.0\.1:(\d+)"/.exec(log);
        if (address) resolve(Number(address[1]));
      };
      server.stdout.on("data", read);
      server.stderr.on("data", read);
      server.on("exit", () => reject(new Error(log)));
    });
    await action(origin, `${origin}/eu/prod/account`);
  } finally {
    server.kill();
    proxy.close();
    proxy.closeAllConnections();
    await rm(directory, { recursive: true, force: true });
  }
}

check("below a path and with the cookie, scripts see no refresh token and a reload stays logged in", () =>
  withPath((origin, address) =>
    visit(origin, {}, async (page, context) => {
      people += 1;
      await page.goto(`${address}#signup`);
      await page.getByLabel("E-mail address").fill(`path-${people}@example.com`);
      await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
      await button(page, "Create account").click();
      await device(page).waitFor();
      assert.equal((await stored(page)).refresh, undefined);
      const [cookie] = await context.cookies();
      assert.equal(cookie.name, "__Secure-aquaware-refresh");
      assert.equal(cookie.path, "/eu/prod/auth");
      assert.ok(cookie.httpOnly);
      await page.evaluate(() => localStorage.clear());
      await page.reload();
      await device(page).waitFor();
      await page.locator("#log-out").click();
      await note(page, "You are logged out.");
      await page.reload();
      await heading(page, "Log in");
      assert.deepEqual(await context.cookies(), []);
    }),
  ),
);

check("without JavaScript the page says what it needs", () =>
  visit(ISSUER, { javaScriptEnabled: false }, async (page) => {
    await page.goto(PAGE);
    await heading(page, "JavaScript is off");
  }),
);

await run();
await close();
