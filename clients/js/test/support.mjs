// A server that answers as a test tells it, and the built program.

import { spawn } from "node:child_process";
import { webcrypto } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

// Node 18 does not provide it, but can run everything else.
globalThis.crypto ??= webcrypto;

/** A server that gives the planned answers in order, then only successes, and keeps the requests. */
export async function fakeServer(test) {
  const plan = [];
  const requests = [];
  let issued = 0;
  const success = () => {
    issued += 1;
    const tokens = { access_token: `a${issued}`, refresh_token: `r${issued}`, session_id: "s" };
    return [200, { ...tokens, expires_in: 300 }];
  };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { method, url, headers } = request;
    requests.push({ method, url, headers, body: text && JSON.parse(text) });
    const planned = plan.shift() ?? (url.startsWith("/auth/") ? success : [200, { here: true }]);
    const answer = typeof planned === "function" ? await planned() : planned;
    if (answer === "lost") return response.destroy();
    if (answer === "silent") return undefined;
    const [status, body, extra] = answer;
    const content = typeof body === "string" ? body : JSON.stringify(body);
    response.writeHead(status, { "content-type": "application/json", ...extra });
    if (answer[3] !== "truncated") return response.end(content);
    response.write(content.slice(0, content.length / 2));
    return setTimeout(() => response.destroy(), 10);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, plan, requests, success };
}

export const problem = (status, code, headers) => [status, { status, code, detail: code }, headers];

/** The built program with these clients; ended with the test. */
export async function realServer(test, clients) {
  const program = process.env.AQUAWARE_BIN;
  if (!program) throw new Error("AQUAWARE_BIN must name the built program");
  const directory = mkdtempSync(join(tmpdir(), "aquaware-"));
  const [port, management] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  writeFileSync(
    join(directory, "aquaware.toml"),
    `issuer = "${url}"
[listen]
public = "127.0.0.1:${port}"
management = "127.0.0.1:${management}"
[accounts.argon2]
memory_kib = 64
iterations = 1
[limits]
login_per_address = "unlimited"
signup_per_address = "unlimited"
refresh_per_session = "unlimited"
[cookies]
insecure = true
${clients}`,
  );
  // Its settings are in the file alone.
  const env = { PATH: process.env.PATH };
  const child = spawn("timeout", ["300", program], { cwd: directory, env, stdio: "ignore" });
  test.after(() => {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  for (let tries = 0; ; tries += 1) {
    const ready = await fetch(`http://127.0.0.1:${management}/health/ready`).catch(() => ({}));
    if (ready.ok) return url;
    if (tries > 600) throw new Error("the server did not start");
    await sleep(50);
  }
}

let people = 0;

/** A new account. */
export async function person(url) {
  people += 1;
  const user = { email: `${Date.now()}-${people}@example.com`, password: "seven blue snails" };
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/auth/signup`, {
    method: "POST",
    headers,
    body: JSON.stringify(user),
  });
  if (answer.status !== 201) throw new Error(await answer.text());
  return user;
}

/** The reasons of all events `logout`, in order. */
export function reasons(client) {
  const found = [];
  client.addEventListener("logout", ({ reason }) => found.push(reason));
  return found;
}

async function freePort() {
  const socket = createSocket();
  socket.listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}
