// @aquaware/client: see client.d.ts, and docs/protocol.md for the rules.

const ENDS = /^(refresh_token_(expired|reused)|session_revoked|invalid_refresh_token)$/;
const sleep = (span) => new Promise((done) => setTimeout(done, span));
// Two clocks: the first stops while some computers sleep, the second can be set.
const clocks = () => [performance.timeOrigin + performance.now(), Date.now()];
const draw = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
// Pages of proxies have no fields.
const object = (text) => {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
};

export class AuthError extends Error {
  constructor(code, status, body) {
    super(body?.detail ?? code);
    Object.assign(this, { name: "AuthError", code, status, body });
  }
}

export function memoryStorage() {
  let value = null;
  return { get: () => value, set: (next) => void (value = next) };
}

export function browserStorage(name = "aquaware") {
  const store = globalThis.localStorage; // throws where storage is blocked
  const get = () => store.getItem(name);
  const set = (next) => (next === null ? store.removeItem(name) : store.setItem(name, next));
  const watch = (changed) =>
    globalThis.addEventListener?.("storage", (it) => (it.key ?? name) === name && changed());
  get();
  return { get, set, watch, persistent: true };
}

function defaultStorage() {
  try {
    return browserStorage();
  } catch {
    return memoryStorage();
  }
}

export class Client extends EventTarget {
  #issuer;
  #options;
  #origins;
  #flight;
  #failures = 0;
  #notBefore = 0;
  #live;

  constructor(issuer, options = {}) {
    super();
    this.#issuer = issuer.replace(/\/$/, "");
    this.#options = {
      clientId: "web",
      transport: "body",
      storage: options.storage ?? defaultStorage(),
      timeout: 10_000,
      patience: 60_000,
      backoff: 1_000,
      fetch: (...call) => fetch(...call),
      ...options,
    };
    this.#origins = [issuer, globalThis.location?.origin, ...(options.origins ?? [])]
      .filter((it) => it && it !== "null")
      .map((it) => new URL(it).origin);
    const look = () => this.#read().catch(() => {});
    this.#options.storage.watch?.(look);
    look();
  }

  get persistent() {
    return !!this.#options.storage.persistent;
  }

  async loggedIn() {
    return !!(await this.#read()).key;
  }

  async login(email, password, more) {
    const body = { email, password, client_id: this.#options.clientId, ...more };
    const sent = clocks();
    const answer = await this.#post("/auth/login", body);
    if (!granted(answer)) throw failure(answer);
    await this.#store(answer.body, sent);
    return answer.body;
  }

  async adopt(tokens) {
    await this.#store(tokens, clocks());
  }

  async logout() {
    const { refresh } = await this.#read();
    const end = performance.now() + this.#options.patience;
    await this.#end("logout");
    for (let failures = 0; ; ) {
      const answer = await this.#post("/auth/logout", refresh ? { refresh_token: refresh } : {});
      if (answer.status === 204 || answer.status === 400) return; // 400: there was none
      const wait = this.#wait(answer, failures++);
      if (!wait || performance.now() + wait > end) throw failure(answer);
      await sleep(wait);
    }
  }

  async token() {
    const { access, ...rest } = await this.#read();
    return access && fresh(rest) ? access : this.refresh(access);
  }

  refresh(rejected) {
    return (this.#flight ??= this.#renew(rejected).finally(() => (this.#flight = undefined)));
  }

  async fetch(input, init) {
    const request = new Request(input, init);
    if (!this.#origins.includes(new URL(request.url).origin)) {
      throw new TypeError(`${request.url} is not in \`origins\`: it would receive the access token`);
    }
    const send = (request, token) => {
      request.headers.set("authorization", `Bearer ${token}`);
      return this.#options.fetch(request);
    };
    const again = request.clone();
    const token = await this.token();
    const response = await send(request, token);
    const challenge = response.headers.get("www-authenticate") ?? "invalid_token";
    if (response.status !== 401 || !challenge.includes("invalid_token")) return response;
    const next = await this.refresh(token);
    await response.body?.cancel();
    return send(again, next);
  }

  // Unless the storage has a newer access token than `rejected`.
  async #renew(rejected) {
    const end = performance.now() + this.#options.patience;
    for (;;) {
      let record = await this.#read();
      if (record.access && record.access !== rejected && fresh(record)) return record.access;
      if (!record.key) {
        if (this.#options.transport === "body") throw new AuthError("logged_out");
        record = { key: draw() };
        await this.#write(record);
      }
      const wait = this.#notBefore - performance.now();
      if (performance.now() + wait > end) throw new AuthError("unavailable");
      if (wait > 0) {
        await sleep(wait);
        continue; // another tab may have renewed in the meantime
      }
      const { refresh, key } = record;
      const sent = clocks();
      const answer = await this.#post("/auth/refresh", refresh ? { refresh_token: refresh } : {}, key);
      const { status, body } = answer;
      if (granted(answer, record)) {
        this.#failures = this.#notBefore = 0;
        const current = await this.#read();
        if (!current.key) throw new AuthError("logged_out");
        if (current.key === key) await this.#store({ refresh_token: refresh, ...body }, sent);
        return body.access_token;
      }
      if ((status === 401 && ENDS.test(body.code)) || (status === 400 && !refresh)) {
        if ((await this.#read()).key !== key) continue; // another tab has renewed or logged in
        await this.#end(record.access && (status === 401 ? body.code : "no_cookie"));
        throw new AuthError("logged_out", status, body);
      }
      const pause = this.#wait(answer, this.#failures++);
      if (!pause) throw failure(answer);
      this.#notBefore = performance.now() + pause;
    }
  }

  // How long to wait before the next attempt; 0 if it would get the same answer.
  #wait({ status, after }, failures) {
    if (![0, 200, 408, 429].includes(status) && status < 500) return 0;
    const span = Math.min(this.#options.backoff * 2 ** failures, 60_000);
    return Math.max(Math.min(after * 1000 || 0, 3_600_000), span * (0.5 + Math.random() / 2));
  }

  async #post(path, body, key) {
    try {
      const response = await this.#options.fetch(this.#issuer + path, {
        method: "POST",
        headers: { "content-type": "application/json", ...(key && { "idempotency-key": key }) },
        body: JSON.stringify(body),
        credentials: this.#options.transport === "cookie" ? "include" : "omit",
        redirect: "manual",
        signal: AbortSignal.timeout(this.#options.timeout),
      });
      const after = response.headers.get("retry-after");
      return { status: response.status, after, body: object(await response.text()) };
    } catch {
      return { status: 0, body: {} };
    }
  }

  async #read() {
    const record = object(await this.#options.storage.get());
    if (this.#live && !record.key) this.#tell("elsewhere");
    this.#live = !!record.key;
    return record;
  }

  async #write(record) {
    await this.#options.storage.set(record && JSON.stringify(record));
    this.#live = !!record;
  }

  // One write, of the refresh token, the key of its only use, and the access token with its age.
  #store({ refresh_token: refresh, access_token: access, expires_in: lasts, session_id: session }, sent) {
    return this.#write({ refresh, key: draw(), access, lasts, sent, session });
  }

  async #end(reason) {
    await this.#write(null);
    if (reason) this.#tell(reason);
  }

  #tell(reason) {
    this.dispatchEvent(Object.assign(new Event("logout"), { reason }));
  }
}

// By the age of the answer: what the clocks show does not matter.
function fresh({ sent, lasts }) {
  const age = Math.max(...clocks().map((now, at) => now - sent?.[at]));
  return age >= 0 && age < lasts * 900;
}

// An answer with the token that was sent, or of another session, answers another request.
function granted({ status, body }, { refresh, session } = {}) {
  const ours = !session || session === body.session_id;
  return status === 200 && body.access_token && ours && !(refresh && body.refresh_token === refresh);
}

function failure({ status, body }) {
  return new AuthError(body.code ?? "unavailable", status, body);
}
