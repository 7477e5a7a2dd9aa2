// Views: templates of the page, of which one is shown at a time.

import { settings } from "./api.js";
import { note } from "./forms.js";

const main = document.getElementById("main");
const issuer = location.host + settings.base;

document.getElementById("host").textContent = issuer;

// Shows a view, and moves the focus to its heading unless the page has just been opened. Parts that
// the server has switched off are removed.
export function show(name, { notice = "", focus = true } = {}) {
  const view = part(`view-${name}`);
  view.querySelectorAll("[data-if]").forEach((it) => settings[it.dataset.if] === "on" || it.remove());
  main.replaceChildren(view);
  document.getElementById("log-out").hidden = name !== "account";
  const heading = main.querySelector("h1");
  document.title = heading ? `${heading.textContent} – ${issuer}` : issuer;
  if (focus && heading) {
    heading.tabIndex = -1;
    heading.focus();
  }
  const region = main.querySelector("[data-notice]");
  // Screen readers announce changes of a region that they know already.
  if (region && notice) setTimeout(() => note(region, notice), focus ? 50 : 0);
  return main;
}

// A copy of a template.
export const part = (id) => document.getElementById(id).content.cloneNode(true);

export const find = (root, kind, name) => root.querySelector(`[data-${kind}="${name}"]`);

export function write(root, name, text) {
  find(root, "text", name).textContent = text;
}
