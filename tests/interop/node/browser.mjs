// Chromium, and what every page must satisfy in it: no message on the console, no error that nothing
// handles, and no request to another host.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];

let browser;

/** Starts the browser, once. It may be slow on a busy machine. */
async function launch() {
  const exists = (it) => execFileSync("sh", ["-c", 'test -x "$0" && echo yes || true', it]).length > 0;
  const executablePath = PROGRAMS.find(exists);
  assert.ok(executablePath, `none of ${PROGRAMS.join(", ")} is installed`);
  return (browser ??= await chromium.launch({ executablePath, args: SWITCHES, timeout: 60_000 }));
}

export const close = () => browser?.close();

/** A browser profile of its own whose pages may use only `origin`. */
export async function profile(origin, options = {}) {
  const context = await (await launch()).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(30_000);
  const found = [];
  context.on("request", (it) => {
    if (new URL(it.url()).origin !== origin) found.push(`a request to ${it.url()}`);
  });
  context.on("weberror", (it) => found.push(String(it.error())));
  context.on("console", (it) => {
    // The browser reports every response of 400 or more and every request without a response.
    const network = it.text().startsWith("Failed to load resource:");
    if (["error", "warning"].includes(it.type()) && !network) found.push(it.text());
  });
  return { context, found };
}

/** Runs `action` with a new page, and asserts that nothing was found. */
export async function visit(origin, options, action) {
  const { context, found } = await profile(origin, options);
  try {
    const page = await context.newPage();
    await action(page, context);
    assert.deepEqual(found, []);
  } catch (error) {
    const texts = await Promise.all(context.pages().map((it) => it.innerText("body").catch(() => "?")));
    console.error(`pages:\n${texts.join("\n---\n")}\nfound: ${found.join("\n")}`);
    throw error;
  } finally {
    await context.close();
  }
}

/** Asserts that axe-core finds nothing, and that the page does not scroll sideways. */
export async function accessible(page) {
  // In a world of its own: the policy of the page does not allow the script.
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const world = { frameId: frameTree.frame.id, worldName: "axe" };
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", world);
  const evaluate = async (expression) => {
    const parameters = { contextId, expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", parameters);
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
    return result.value;
  };
  await evaluate(`${AXE}; 0`);
  const options = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }";
  const violations = await evaluate(`axe.run(${options}).then((it) => it.violations
    .map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ")))`);
  assert.deepEqual(violations, []);
  const excess = await evaluate("document.documentElement.scrollWidth - innerWidth");
  assert.ok(excess <= 0, `the page is ${excess} pixels too wide`);
  await session.detach();
}
