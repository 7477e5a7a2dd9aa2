// The list of sessions: device, place and time of each, and the end of one or all.

import { Problem, auth, call } from "./api.js";
import { note, textOf } from "./forms.js";
import { find, part, write } from "./views.js";

const PAGE = 20;

// Fills the list, and binds its buttons. Returns a function that loads it again.
export async function sessions(root, farewell) {
  const list = root.querySelector(".sessions");
  const more = find(root, "action", "more");
  const everywhere = find(root, "action", "everywhere");
  const region = find(root, "note", "sessions");
  const empty = root.querySelector("[data-empty]");
  let next;

  const show = ({ sessions, next: cursor }) => {
    sessions.sort((one, other) => other.current - one.current);
    list.append(...sessions.map((session) => item(session, () => end(session))));
    next = cursor;
    more.hidden = !next;
    empty.hidden = !!next || list.children.length !== 1 || !list.querySelector("[data-current]");
    everywhere.hidden = !empty.hidden;
  };
  const load = async (cursor) => {
    const query = `?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const page = await call("GET", `/auth/sessions${query}`);
    if (!cursor) list.replaceChildren();
    show(page);
  };
  const attempt = async (button, action) => {
    button.disabled = true;
    try {
      await action();
    } catch (error) {
      const problem = Problem.of(error);
      if (problem.code !== "logged_out") note(region, textOf(problem));
    } finally {
      button.disabled = false;
    }
  };
  const end = async (session) => {
    const row = document.getElementById(session.id);
    await attempt(row.querySelector("button"), async () => {
      if (session.current) return auth.logout();
      await call("DELETE", `/auth/sessions/${session.id}`).catch((error) => {
        if (error.code !== "not_found") throw error; // it has ended already
      });
      const neighbour = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      show({ sessions: [], next });
      (neighbour?.querySelector("button") ?? root.querySelector("#sessions-title")).focus();
      note(region, `${device(session)} is logged out.`);
    });
  };

  more.addEventListener("click", () =>
    attempt(more, async () => {
      const last = list.lastElementChild;
      await load(next);
      last.nextElementSibling?.querySelector("button").focus();
    }),
  );
  everywhere.addEventListener("click", () =>
    attempt(everywhere, async () => {
      await call("POST", "/auth/logout-all");
      await farewell("You are logged out on all your devices.");
    }),
  );
  await load();
  return async () => {
    if (!list.contains(document.activeElement)) await load().catch(() => {});
  };
}

function item(session, end) {
  const row = part("session").firstElementChild;
  const name = device(session);
  const used = session.current ? "active now" : `last active ${ago(session.last_used_at)}`;
  row.id = session.id;
  write(row, "device", name);
  write(
    row,
    "place",
    [session.device_name && describe(session.user_agent), session.ip ?? "unknown place"]
      .filter(Boolean)
      .join(" · "),
  );
  write(row, "used", ` · ${used}`);
  write(
    row,
    "begun",
    `Logged in on ${date(session.created_at, { timeStyle: "short" })}${session.client_id === "web" ? "" : ` with ${session.client_id}`}`,
  );
  if (!session.current) row.querySelector("[data-current]").remove();
  const phone = /iPhone|iPad|Android|Mobile/.test(session.user_agent ?? "");
  row.querySelector(`[data-shape=${phone ? "computer" : "phone"}]`).remove();
  const button = row.querySelector("button");
  button.setAttribute("aria-label", `Log out ${name}, ${used}`);
  button.addEventListener("click", end);
  return row;
}

const device = ({ device_name: name, user_agent: agent }) => name || describe(agent) || "Unknown device";

const BROWSERS = [
  [/Edg/, "Edge"],
  [/OPR|Opera/, "Opera"],
  [/SamsungBrowser/, "Samsung Internet"],
  [/Firefox|FxiOS/, "Firefox"],
  [/Chrom|CriOS/, "Chrome"],
  [/Safari/, "Safari"],
];

const SYSTEMS = [
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac/, "Mac"],
  [/CrOS/, "ChromeOS"],
  [/Linux|X11/, "Linux"],
];

// The words of a user agent that people know; others have their first product only.
function describe(agent) {
  if (!agent) return "";
  const known = (names) => names.find(([pattern]) => pattern.test(agent))?.[1];
  const program = known(BROWSERS) ?? agent.split(/[/ ]/)[0];
  const system = known(SYSTEMS);
  return system ? `${program} on ${system}` : program;
}

const UNITS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

function ago(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? [];
  if (!unit) return "a moment ago";
  return new Intl.RelativeTimeFormat("en").format(-Math.floor(seconds / length), unit);
}

export function date(time, more) {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: more ? "medium" : "long", ...more }).format(
    new Date(time),
  );
}
