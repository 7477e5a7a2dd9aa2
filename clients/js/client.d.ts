/** Where the session is kept: one text, which every tab of the application shares. */
export interface Storage {
  /** The text that was stored last, or `null`. */
  get(): string | null | Promise<string | null>;
  /** Replaces the text; `null` removes it. When it returns, a crash must not lose the text. */
  set(text: string | null): void | Promise<void>;
  /** Calls `changed` when another tab has changed the text. */
  watch?(changed: () => void): void;
  /** Whether the text survives the end of the page or process. */
  persistent?: boolean;
}

/** `localStorage`, under this name. Throws where storage is blocked. */
export function browserStorage(name?: string): Storage;

/** The memory of this page or process. */
export function memoryStorage(): Storage;

export interface Options {
  /** The `client_id` of the login. Default: `web`. */
  clientId?: string;
  /**
   * Where the refresh token is: in responses and in `storage` (`body`, the default), or in a cookie
   * that scripts cannot read, for client profiles with `refresh_transport = "cookie"`.
   */
  transport?: "body" | "cookie";
  /** Default: `localStorage`; the memory of the page where that is blocked or does not exist. */
  storage?: Storage;
  /** Origins that receive the access token, besides those of the issuer and of the page. */
  origins?: string[];
  /** How long to wait for one answer, in milliseconds. Default: 10,000. */
  timeout?: number;
  /** How long one call retries before it fails as `unavailable`, in milliseconds. Default: 60,000. */
  patience?: number;
  /** The pause before the first retry, in milliseconds; it doubles up to a minute. Default: 1,000. */
  backoff?: number;
  /** Sends all requests. Default: the global `fetch`. */
  fetch?: typeof fetch;
}

/**
 * Why the session ended: the four codes of the server, a missing cookie, a call of `logout`, or a
 * logout in another tab.
 */
export type Reason =
  | "refresh_token_expired"
  | "refresh_token_reused"
  | "session_revoked"
  | "invalid_refresh_token"
  | "no_cookie"
  | "logout"
  | "elsewhere";

/** The event `logout`. */
export interface LogoutEvent extends Event {
  readonly reason: Reason;
}

/**
 * A call failed.
 *
 * - `logged_out`: there is no session, or it has just ended. Log in again.
 * - `unavailable`: nothing was decided, or the outcome is unknown. The session is unaffected; the
 *   next call continues the same attempt.
 * - any other code is the server's: `invalid_credentials`, `rate_limited`, `cross_site`, …
 */
export class AuthError extends Error {
  readonly code: string;
  /** The HTTP status; 0 or `undefined` if there was no answer. */
  readonly status?: number;
  /** The problem document (RFC 9457), if there was one. */
  readonly body?: { code?: string; detail?: string; [member: string]: unknown };
}

/** The answer to a login or a refresh. */
export interface Tokens {
  access_token: string;
  token_type: string;
  expires_in: number;
  session_id: string;
  refresh_token?: string;
  refresh_expires_in?: number;
  scope?: string;
}

/** A session with one issuer. Several tabs and clients may share it through their storage. */
export class Client extends EventTarget {
  /** A client of the issuer at this address. It sends nothing until it is used. */
  constructor(issuer: string, options?: Options);

  /** Whether the session survives the end of the page; false where storage is blocked. */
  readonly persistent: boolean;

  /** Whether there is a session as far as the storage knows. Sends nothing. */
  loggedIn(): Promise<boolean>;

  /** Opens a session. It is stored before this returns. Failures are not retried. */
  login(email: string, password: string, more?: object): Promise<Tokens>;

  /** Continues a session that was opened elsewhere. */
  adopt(tokens: Tokens): Promise<void>;

  /**
   * Forgets the session at once, then ends it at the server. Fails if the server cannot be reached.
   */
  logout(): Promise<void>;

  /** A valid access token, renewed if 90 % of its life are over. Fails with {@link AuthError}. */
  token(): Promise<string>;

  /** Renews, unless the storage has an access token other than `rejected`. */
  refresh(rejected?: string): Promise<string>;

  /**
   * Like the global `fetch`, with the access token. After a 401 it renews and sends the request once
   * more, unless the challenge has another reason than `invalid_token`: a wrong password is not sent
   * twice. A 401 whose challenge is missing or cannot be read counts as `invalid_token`. Rejects requests to origins that may not receive the token. Fails with {@link AuthError}
   * if there is no session, or no access token can be had.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;

  addEventListener(
    type: "logout",
    listener: (event: LogoutEvent) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
