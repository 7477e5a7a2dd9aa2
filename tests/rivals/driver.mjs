// Sessions of public client libraries in the storm of `cargo xtask chaos --rivals`. They log in
// again after each logout, and have no way to send the key of an attempt.
//
// Each is used as a careful application would: everything but the server's word that the session
// has ended is tried again, and only answers with an access token are stored.

import { once } from "node:events";
import { createServer } from "node:http";

import axios from "axios";
import { createAuthRefresh } from "axios-auth-refresh";
import { ErrorResponse, User, UserManager, WebStorageStateStore } from "oidc-client-ts";
import { storm } from "./storm.mjs";

const TIMEOUT = 1_500;
const ENDS = ["refresh_token_expired", "refresh_token_reused", "session_revoked", "invalid_refresh_token"];

async function login(issuer, client_id, user) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ ...user, client_id });
  const answer = await fetch(`${issuer}/auth/login`, { method: "POST", headers, body });
  if (answer.status !== 200) throw new Error(await answer.text());
  return answer.json();
}

const oidcClientTs = {
  open: (issuer, storage, client_id) => {
    const store = {
      getItem: async () => storage.get(),
      setItem: async (_, text) => storage.set(text),
      removeItem: async () => storage.set(null),
    };
    return new UserManager({
      authority: issuer,
      client_id,
      redirect_uri: `${issuer}/`,
      metadata: { issuer, token_endpoint: `${issuer}/oauth2/token` },
      userStore: new WebStorageStateStore({ store }),
      stateStore: new WebStorageStateStore({ store }),
      automaticSilentRenew: false, // the storm decides when
      silentRequestTimeoutInSeconds: TIMEOUT / 1000,
    });
  },
  login: async (manager, user) => {
    const { authority, client_id } = manager.settings;
    const { expires_in, ...tokens } = await login(authority, client_id, user);
    const expires_at = Math.floor(Date.now() / 1000) + expires_in;
    await manager.storeUser(new User({ ...tokens, expires_at, profile: {} }));
  },
  renew: (manager) => manager.signinSilent(),
  access: (text) => JSON.parse(text).access_token,
  ended: (error) => error instanceof ErrorResponse && error.error === "invalid_grant" && error.error,
};

/** Rejects the access token that the request names, as a service does when it has expired. */
const service = createServer(({ headers }, response) => {
  response.writeHead(headers.authorization === `Bearer ${headers["x-expired"]}` ? 401 : 200).end();
});
await once(service.listen(0, "127.0.0.1"), "listening");
const SERVICE = `http://127.0.0.1:${service.address().port}/`;

const axiosAuthRefresh = {
  open: (issuer, storage, client_id) => {
    const http = axios.create({ timeout: TIMEOUT, proxy: false });
    const stored = () => JSON.parse(storage.get());
    http.interceptors.request.use((request) => {
      request.headers.authorization = `Bearer ${stored().access_token}`;
      return request;
    });
    createAuthRefresh(http, async () => {
      const body = { refresh_token: stored().refresh_token };
      const { data } = await axios.post(`${issuer}/auth/refresh`, body, { timeout: TIMEOUT, proxy: false });
      if (!data.access_token) throw new Error("not an answer of the server");
      storage.set(JSON.stringify(data));
    });
    return { http, issuer, storage, client_id };
  },
  login: async ({ issuer, client_id, storage }, user) =>
    storage.set(JSON.stringify(await login(issuer, client_id, user))),
  renew: ({ http }, expired) => http.get(SERVICE, { headers: { "x-expired": expired } }),
  access: (text) => JSON.parse(text).access_token,
  ended: ({ response }) => response?.status === 401 && ENDS.find((it) => it === response.data?.code),
};

const libraries = { "oidc-client-ts": oidcClientTs, "axios-auth-refresh": axiosAuthRefresh };
const [name, clientId] = process.argv.slice(2);
await storm({ ...libraries[name], clientId, logsInAgain: true });
