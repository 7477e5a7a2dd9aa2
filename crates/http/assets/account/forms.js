// Forms: errors beside their fields, one request at a time, and the focus where it is needed.

import { Problem } from "./api.js";

// Runs `submit` with the values of the form. Its problem is shown in the form.
export function onSubmit(form, submit) {
  form.noValidate = true;
  form.querySelectorAll("input[type=password]").forEach(addToggle);
  form.addEventListener("input", ({ target }) => showError(target, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    clear(form);
    const invalid = inputs(form).filter((input) => !input.validity.valid);
    invalid.forEach((input) => showError(input, reason(input)));
    if (invalid.length) return invalid[0].focus();
    const values = Object.fromEntries(inputs(form).map((input) => [input.name, input.value]));
    form.setAttribute("aria-busy", "true");
    try {
      await submit(values, form);
    } catch (error) {
      explain(form, Problem.of(error));
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}

// Shows a message in a live region.
export function note(region, text) {
  region.textContent = text;
}

const inputs = (form) => [...form.elements].filter((it) => it.name && !("skip" in it.dataset));

function clear(form) {
  inputs(form).forEach((input) => showError(input, ""));
  form.querySelector(".alert")?.remove();
  form.querySelectorAll("[role=status]").forEach((region) => note(region, ""));
}

function reason(input) {
  if (input.validity.valueMissing) return "Fill in this field.";
  if (input.validity.typeMismatch) return "Enter a complete e-mail address, such as ann@example.com.";
  return input.validationMessage;
}

function showError(input, text) {
  const id = `${input.id}-error`;
  const field = input.closest(".field");
  if (!field) return;
  let shown = field.querySelector(".error");
  const described = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((it) => it && it !== id);
  if (text) {
    if (!shown) {
      shown = Object.assign(document.createElement("p"), { id, className: "error" });
      (input.closest(".secret") ?? input).after(shown);
    }
    shown.textContent = text;
    input.setAttribute("aria-invalid", "true");
    described.unshift(id);
  } else {
    shown?.remove();
    input.removeAttribute("aria-invalid");
  }
  if (described.length) input.setAttribute("aria-describedby", described.join(" "));
  else input.removeAttribute("aria-describedby");
}

// Fields of codes that concern one field; the first that the form has.
const FIELDS = {
  account_exists: ["email", "new_email"],
  invalid_credentials: ["current_password", "password"],
};

const TEXTS = {
  account_exists: "There is an account with this address already.",
  invalid_credentials: "The e-mail address or the password is wrong.",
  signup_closed: "This server does not create accounts at the moment.",
  invalid_message_token: "This link is no longer valid. A link works once, and only for a limited time.",
  email_not_verified: "Confirm your e-mail address first. A message with a link is on its way to you.",
  overloaded: "The server is busy. Try again in a moment.",
  store_unavailable: "The server cannot reach its data. Try again in a moment.",
  unavailable: "The server cannot be reached. Check your connection, then try again.",
  cross_site: "This page was opened under another address than the server expects.",
};

// The text of a problem for people.
export function textOf({ code, wait, message }) {
  if (code === "rate_limited" || code === "account_locked") {
    return `Too many attempts. Try again ${wait ? `in ${span(wait)}` : "later"}.`;
  }
  return TEXTS[code] ?? message;
}

function span(seconds) {
  const [count, unit] = seconds > 90 ? [Math.ceil(seconds / 60), "minute"] : [seconds, "second"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function explain(form, problem) {
  if (problem.code === "logged_out") return; // the page shows the login already
  const named = (name) => inputs(form).find((input) => input.name === name);
  let fields = problem.errors
    .map(({ field, message }) => [named(field), sentence(message)])
    .filter(([input]) => input);
  const input = (FIELDS[problem.code] ?? []).map(named).find((it) => it);
  if (input) {
    const current = input.name === "current_password";
    fields = [[input, current ? "This is not your current password." : textOf(problem)]];
  }
  if (!fields.length) return alert(form, textOf(problem));
  const texts = new Map(); // a field can have several errors
  fields.forEach(([it, text]) => texts.set(it, texts.has(it) ? `${texts.get(it)} ${text}` : text));
  texts.forEach((text, it) => showError(it, text));
  fields[0][0].focus();
}

// The server says what is wrong without a subject: "is too short".
const sentence = (text) => `This ${text.replace(/\.$/, "")}.`;

function alert(form, text) {
  const shown = Object.assign(document.createElement("p"), { className: "alert", textContent: text });
  shown.setAttribute("role", "alert");
  form.prepend(shown);
}

// A button that shows the password and hides it again.
function addToggle(input) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "toggle" });
  const label = (text) => {
    button.textContent = text;
    button.setAttribute("aria-label", `${text} password`);
  };
  label("Show");
  button.addEventListener("click", () => {
    const hidden = input.type === "password";
    input.type = hidden ? "text" : "password";
    label(hidden ? "Hide" : "Show");
  });
  const box = Object.assign(document.createElement("div"), { className: "secret" });
  input.replaceWith(box);
  box.append(input, button);
}
