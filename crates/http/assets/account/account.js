// The page: which view is shown, and what its forms do.
//
// The address decides among the views for visitors (#login, #signup, #forgot) and for links in
// messages (#token=TOKEN, #reset=TOKEN, #verify=TOKEN); everything else is the account, or the login before it.

import { Problem, auth, call, connection, loggedIn, login, post, settings } from "./api.js";
import { note, onSubmit, textOf } from "./forms.js";
import { date, sessions } from "./sessions.js";
import { find, show, write } from "./views.js";

const REASONS = {
  logout: "You are logged out.",
  elsewhere: "You have logged out in another tab.",
  session_revoked: "This session was ended. Log in again.",
  refresh_token_expired: "Your session has expired. Log in again.",
  refresh_token_reused:
    "This session was used from two places and was ended. If that was not you, log in and change your password.",
  invalid_refresh_token: "The server does not know your session any more. Log in again.",
  no_cookie: "The browser has not kept the cookie of your session. Log in again.",
};
const HOME = `${settings.base}/account`;
const LOST = "Open the link in the message again, or ask for a new one.";

let shown; // the name of the current view
let link = ""; // the token of the link that was opened
let farewell; // what to say after the next logout
let reload = () => {}; // loads the list of sessions again

// The token leaves the address, and with it the history, before anything else happens.
function takeToken() {
  const query = new URLSearchParams(location.search);
  for (const pair of [location.hash.slice(1).split("="), ...query]) {
    const [name, token] = pair;
    if (!token || !["reset", "verify", "token"].includes(name)) continue;
    link = token;
    const kind = name === "token" ? kindOf(token) : name;
    history.replaceState(null, "", `${HOME}#${kind}`);
  }
}

// Links without a kind: the claims of the token name it.
function kindOf(token) {
  try {
    const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(claims)).use === "reset" ? "reset" : "verify";
  } catch {
    return "verify";
  }
}

async function route({ again = false, notice = "", focus = true } = {}) {
  takeToken();
  const name = location.hash.slice(1);
  const open = (view, bind, text = notice) => {
    if (shown === view && !again) return;
    shown = view;
    bind(show(view, { notice: text, focus }));
  };
  const messages = settings.messages === "on";
  if (messages && (name === "reset" || name === "verify")) {
    if (link) return open(name, name === "reset" ? bindReset : bindVerify);
    if (name === "reset") return open("forgot", bindForgot, LOST);
    notice ||= LOST;
  }
  try {
    if (await loggedIn()) return await openAccount({ again, notice, focus });
  } catch (error) {
    return openUnreachable(error, focus);
  }
  if (name === "signup" && settings.signup === "on") return open("signup", bindSignup);
  if (name === "forgot" && messages) return open("forgot", bindForgot);
  return open("login", bindLogin);
}

// Shows the view of another address. Forms do not stay in the history.
function go(hash, notice) {
  history.replaceState(null, "", HOME + hash);
  return route({ again: true, notice });
}

function bindLogin(root) {
  onSubmit(find(root, "form", "login"), async ({ email, password }) => {
    await login(email, password);
    await go("");
  });
}

function bindSignup(root) {
  onSubmit(find(root, "form", "signup"), async (values) => {
    await post("/auth/signup", values);
    try {
      await login(values.email, values.password);
      const sent = settings.messages === "on";
      await go("", `Welcome!${sent ? " A message with a link to confirm your address is on its way." : ""}`);
    } catch (error) {
      await go("#login", `Your account was created. ${textOf(Problem.of(error))}`);
    }
  });
}

function bindForgot(root) {
  onSubmit(find(root, "form", "forgot"), async ({ email }, form) => {
    await post("/auth/password/reset-request", { email });
    form.reset();
    note(
      root.querySelector("[data-notice]"),
      `If there is an account with the address ${email}, a message is on its way. The link in it works for an hour.`,
    );
  });
}

function bindReset(root) {
  onSubmit(find(root, "form", "reset"), async (values) => {
    await post("/auth/password/reset", { token: link, ...values });
    const text =
      "Your password is changed, and all your devices are logged out. Log in with the new password.";
    shown = link = "";
    await ((await auth.loggedIn()) ? leave(text) : go("#login", text));
  });
}

function bindVerify(root) {
  onSubmit(find(root, "form", "verify"), async () => {
    await post("/auth/email/verify", { token: link });
    link = "";
    await go("", "Your e-mail address is confirmed.");
  });
}

async function openAccount({ again, notice, focus }) {
  if (shown === "account" && !again) return;
  if (location.hash || location.pathname !== HOME) history.replaceState(null, "", HOME);
  shown = "loading";
  show("loading");
  try {
    const me = await call("GET", "/auth/me");
    if (shown !== "loading") return; // logged out in the meantime
    shown = "account";
    const root = show("account", { notice, focus });
    bindAccount(root, me);
    reload = await sessions(root, leave);
  } catch (error) {
    openUnreachable(error, focus);
  }
}

function bindAccount(root, me) {
  const names = find(root, "form", "names");
  const said = (form, text) => note(form.querySelector("[role=status]"), text);
  const fill = (account) => {
    write(root, "title", account.first_name ? `Hello, ${account.first_name}` : "Your account");
    names.elements.first_name.value = account.first_name ?? "";
    names.elements.last_name.value = account.last_name ?? "";
  };
  fill(me);
  write(root, "since", `Account created on ${date(me.created_at)}`);
  fillAddress(root, me);
  onSubmit(names, async (values) => {
    fill(await call("PATCH", "/auth/me", values));
    said(names, "Saved.");
  });

  const password = find(root, "form", "password");
  password.elements.username.value = me.email;
  onSubmit(password, async (values) => {
    await call("POST", "/auth/password", values);
    closed(password);
    note(find(root, "note", "password"), "Your password is changed, and your other devices are logged out.");
    await reload();
  });

  onSubmit(find(root, "form", "delete"), async (values) => {
    await call("DELETE", "/auth/me", values);
    await leave("Your account is deleted.");
  });
}

function fillAddress(root, { email, email_verified_at: verified }) {
  write(root, "email", email);
  const badge = find(root, "text", "verified");
  badge.textContent = verified ? "Confirmed" : "Not confirmed";
  badge.classList.toggle("good", !!verified);
  const resend = find(root, "action", "verify");
  if (!resend) return badge.remove(); // without messages, addresses cannot be confirmed
  resend.hidden = !!verified;
  const region = find(root, "note", "email");
  resend.addEventListener("click", async () => {
    try {
      await call("POST", "/auth/email/verify-request");
      note(region, `A message is on its way to ${email}. The link in it works for a day.`);
    } catch (error) {
      note(region, textOf(Problem.of(error)));
    }
  });
  const form = find(root, "form", "email");
  onSubmit(form, async (values) => {
    await call("POST", "/auth/email", values);
    closed(form);
    note(
      region,
      `A message is on its way to ${values.new_email}. Your address changes when you open the link in it.`,
    );
  });
}

// Empties a form and closes its section; the focus returns to the button that opened it.
function closed(form) {
  form.reset();
  const details = form.closest("details");
  details.open = false;
  details.querySelector("summary").focus();
}

function openUnreachable(error, focus) {
  const problem = Problem.of(error);
  if (problem.code === "logged_out") return undefined; // the login is shown already
  shown = "unreachable";
  const root = show("unreachable", { focus });
  write(root, "reason", textOf(problem));
  find(root, "action", "retry").addEventListener("click", () => route({ again: true }));
  return undefined;
}

// Logs out; this page says why.
async function leave(text) {
  farewell = text;
  try {
    await auth.logout();
  } catch {
    const region = document.querySelector("[data-notice]");
    if (region) note(region, "You are logged out here, but the server could not be told.");
  }
}

auth.addEventListener("logout", ({ reason }) => {
  const notice = farewell ?? REASONS[reason];
  farewell = undefined;
  // A link from a message does not need the session.
  if (shown === "reset" || shown === "verify") return;
  go("", notice);
});

document.getElementById("log-out").addEventListener("click", () => leave());
addEventListener("hashchange", () => location.hash === "#main" || route());
// A page from the cache of the browser, or another tab: the session may be another one.
addEventListener("pageshow", ({ persisted }) => persisted && route({ again: true }));
addEventListener("storage", () => shown === "login" && route());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && shown === "account") reload();
});

const banner = document.getElementById("connection");
let waiting = false;
let offline = false; // only what the browser reports later: at first, some are wrong about loopback

function tellConnection(change) {
  ({ waiting, offline } = { waiting, offline, ...change });
  const slow = waiting ? "The server does not respond. Trying again…" : "";
  banner.textContent = offline ? "You are offline." : slow;
  banner.hidden = !banner.textContent;
}

connection.addEventListener("change", (change) => tellConnection({ waiting: change.waiting }));
addEventListener("offline", () => tellConnection({ offline: true }));
addEventListener("online", () => {
  tellConnection({ offline: false });
  if (shown === "unreachable") route({ again: true });
});

if (settings.transport === "body" && !auth.persistent) {
  document.getElementById("storage").hidden = false;
}
route({ focus: false });
