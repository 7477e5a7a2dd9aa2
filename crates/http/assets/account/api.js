// Calls of the API, through the client library: see docs/http-api.md and docs/account-page.md.

import { AuthError, Client, browserStorage, memoryStorage } from "./client.js";

// What the server has written into the root element: base, transport, signup, messages.
export const settings = document.documentElement.dataset;

const TIMEOUT = 15_000;
// After this time, a call that has no answer yet is shown as waiting.
const SLOW = 3_000;
const base = location.origin + settings.base;

// Tells the page when a call waits for the server, and when it no longer does.
export const connection = new EventTarget();
let waiting = 0;

async function watched(action) {
  const tell = (change) => {
    waiting += change;
    connection.dispatchEvent(Object.assign(new Event("change"), { waiting: waiting > 0 }));
  };
  let slow = false;
  const timer = setTimeout(() => tell(((slow = true), 1)), SLOW);
  try {
    return await action();
  } finally {
    clearTimeout(timer);
    if (slow) tell(-1);
  }
}

// The issuer's path is part of the name: issuers on one host do not share a session.
function storage() {
  try {
    return browserStorage(`aquaware-account${settings.base}`);
  } catch {
    return memoryStorage();
  }
}

export const auth = new Client(base, {
  transport: settings.transport,
  storage: storage(),
  patience: 30_000,
});

// An answer that is not a success: the problem document, or none if there was no answer.
export class Problem extends Error {
  constructor(status, body, wait) {
    super(body.detail ?? "no answer");
    Object.assign(this, { status, wait, code: body.code ?? "unavailable", errors: body.errors ?? [] });
  }

  static of(error) {
    if (error instanceof Problem) return error;
    if (error instanceof AuthError) return new Problem(error.status, { code: error.code, ...error.body });
    throw error;
  }
}

async function send(method, path, body, token) {
  const headers = { ...(body && { "content-type": "application/json" }) };
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  let text;
  try {
    response = await fetch(base + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT),
    });
    text = await response.text();
  } catch {
    throw new Problem(0, {});
  }
  let answer = {};
  try {
    answer = Object(JSON.parse(text));
  } catch {
    // An empty body, or the page of a proxy.
  }
  if (response.ok) return answer;
  throw new Problem(response.status, answer, Number(response.headers.get("retry-after")) || 0);
}

// A call without a login.
export const post = (path, body) => watched(() => send("POST", path, body));

// A call of the user. Only a rejected token leads to a second attempt: a wrong password is also a
// 401, and sending it again would count twice.
export function call(method, path, body) {
  return watched(async () => {
    const token = await auth.token();
    try {
      return await send(method, path, body, token);
    } catch (error) {
      if (error.code !== "invalid_token") throw error;
      return await send(method, path, body, await auth.refresh(token));
    }
  });
}

export const login = (email, password) => watched(() => auth.login(email, password));

// With the cookie transport, only the server knows whether there is a session.
export async function loggedIn() {
  if (settings.transport === "body" || (await auth.loggedIn())) return auth.loggedIn();
  try {
    await watched(() => auth.token());
    return true;
  } catch (error) {
    if (error.code === "logged_out") return false;
    throw error;
  }
}
