// standardwebhooks verifies the messages of the webhook.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";
import { check, run } from "./checks.mjs";
import * as server from "./server.mjs";

const receiver = new Webhook(process.env.INTEROP_WEBHOOK_SECRET);
const messages = [];
const waiting = [];

/** Accepts every message whose signature the library confirms. */
const listener = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  const body = Buffer.concat(parts).toString();
  try {
    const message = receiver.verify(body, request.headers);
    messages.push({ id: request.headers["webhook-id"], body, headers: request.headers, message });
    response.writeHead(204).end();
  } catch (error) {
    messages.push({ error });
    response.writeHead(401).end();
  }
  waiting.splice(0).forEach((wake) => wake());
});
listener.listen(Number(process.env.INTEROP_WEBHOOK_PORT), "127.0.0.1");
listener.unref();

/** The first verified message of this type about this account. */
async function received(type, account) {
  for (;;) {
    assert.deepEqual(messages.filter((it) => it.error), []);
    const found = messages.find(
      ({ message }) => message.type === type && message.data.account_id === account,
    );
    if (found) {
      return found;
    }
    await new Promise((wake) => waiting.push(wake));
  }
}

check("messages are verified and have type, timestamp and data", async () => {
  const tokens = await server.login("web");
  const account = server.claims(tokens.access_token).sub;
  await received("account_created", account);
  const { message, id } = await received("login_succeeded", account);
  assert.deepEqual(message.data, {
    account_id: account,
    session_id: tokens.session_id,
    client_id: "web",
  });
  assert.ok(Math.abs(Date.now() - Date.parse(message.timestamp)) < 60_000);
  assert.match(id, /^[0-9a-f-]{36}$/);
});

check("a changed message is rejected", async () => {
  const { body, headers } = messages[0];
  assert.throws(() => receiver.verify(body.replace("{", "{ "), headers), /signature/i);
  const other = { ...headers, "webhook-id": "another" };
  assert.throws(() => receiver.verify(body, other), /signature/i);
});

await run();
