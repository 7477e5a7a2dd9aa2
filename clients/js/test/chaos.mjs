// Sessions through a bad network, for `cargo xtask chaos`, which describes what a driver does and
// kills this process now and then: everything it knows is in the directory.

import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Client, memoryStorage } from "@aquaware/client";

globalThis.crypto ??= webcrypto;

const { CHAOS_PROXY: proxy, CHAOS_SERVER: server, CHAOS_DIRECTORY: directory } = process.env;
const sessions = Number(process.env.CHAOS_SESSIONS);
const refreshes = Number(process.env.CHAOS_REFRESHES);
const PATIENCE = { timeout: 1_500, backoff: 10, patience: 60_000 };
const below = (bound) => Math.floor(Math.random() * bound);

class Crash extends Error {}

/** A file, which a crash or a power cut may leave at the old or the new text. */
function fileStorage(path) {
  const get = () => (existsSync(path) ? readFileSync(path, "utf8") : null);
  const put = (text) => {
    if (text === null) return rmSync(path, { force: true });
    writeFileSync(`${path}.new`, text);
    return renameSync(`${path}.new`, path);
  };
  let crash;
  const set = (text) => {
    const when = crash;
    crash = undefined;
    if (when === "before") throw new Crash();
    put(text);
    if (when === "after") throw new Crash();
  };
  return { get, put, set, crashes: (when) => (crash = when) };
}

async function persistently(action) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if (error instanceof Crash) return undefined;
      if (error.code === "logged_out" || tries > 200) throw error;
      await sleep(20);
    }
  }
}

/** Waits for all, and fails if one failed. */
async function all(promises) {
  const failed = (await Promise.allSettled(promises)).find((it) => it.status === "rejected");
  if (failed) throw failed.reason;
}

/** One session from login to its end. */
async function session(number) {
  const file = (name) => join(directory, `${number}.${name}`);
  const note = (name) => writeFileSync(file(name), "");
  if (existsSync(file("done"))) return;
  if (existsSync(file("thief"))) {
    // Killed during the theft, with the end of the session in an unknown state.
    rmSync(file("session"), { force: true });
  }
  const storage = fileStorage(file("session"));
  const clientId = number % 10 === 5 ? "device" : "strict";
  const tab = (issuer = proxy) => new Client(issuer, { storage, clientId, ...PATIENCE });
  if (storage.get() === null) {
    const [email, password] = [`${process.env.CHAOS_NAME}-${number}@example.com`, "seven blue snails"];
    const headers = { "content-type": "application/json" };
    await persistently(async () => {
      const body = JSON.stringify({ email, password });
      const answer = await fetch(`${server}/auth/signup`, { method: "POST", headers, body });
      if (answer.status !== 201 && answer.status !== 409) throw new Error(await answer.text());
      await tab(server).login(email, password);
    });
  }
  const count = () => (existsSync(file("count")) ? statSync(file("count")).size : 0);
  let client = tab();
  while (count() < refreshes) {
    const before = storage.get();
    const { access } = JSON.parse(before);
    const chance = below(20);
    if (chance < 2) storage.crashes(chance === 0 ? "before" : "after");
    try {
      if (chance < 5) {
        const tabs = [client, ...Array.from({ length: 4 }, () => tab())];
        await persistently(() => all(tabs.map((it) => it.refresh(access))));
      } else if (chance < 7) {
        // The clock is set by a day, and the access token is found to be too old or too new.
        const record = JSON.parse(before);
        const day = chance === 5 ? 86_400_000 : -86_400_000;
        record.sent = record.sent?.map((it) => it + day);
        storage.put(JSON.stringify(record));
        await persistently(() => client.token());
      } else {
        await persistently(() => client.refresh(access));
      }
    } catch (error) {
      if (error.code !== "logged_out") throw error;
      appendFileSync(file("logout"), `${error.body?.code}\n`);
      return note("done");
    }
    storage.crashes(undefined);
    if (chance === 7) storage.put(before); // the last write is lost
    if (chance < 3 || chance === 7) client = tab(); // and the process has ended
    if (storage.get() !== before) appendFileSync(file("count"), ".");
  }
  // The live token is the stored one: there is no other branch of the session.
  const last = JSON.parse(storage.get()).access;
  await persistently(() => tab(server).refresh(last)).catch(() => note("fork"));
  if (number % 10 === 0) await theft(number, storage, tab, note);
  note("done");
}

/** A copy of the refresh token is used by a thief: before its owner, or after. */
async function theft(number, storage, tab, note) {
  note("thief");
  const thief = new Client(server, { storage: memoryStorage(), ...PATIENCE });
  const owner = tab(server);
  const current = () => JSON.parse(storage.get())?.access;
  await thief.adopt({ refresh_token: JSON.parse(storage.get()).refresh });
  const thiefRenews = [() => thief.token(), async () => thief.refresh(await thief.token())];
  const ownerRenews = Array(2).fill(() => owner.refresh(current()));
  const turns = number % 20 === 0 ? [thiefRenews, ownerRenews] : [ownerRenews, thiefRenews];
  const outcomes = [];
  for (const renew of [turns[0][0], turns[1][0], turns[0][1]]) {
    const outcome = persistently(renew);
    outcomes.push(await outcome.then(() => "ok", (error) => error.body?.code ?? error.code));
  }
  // An answer that was lost is repeated as `session_revoked`.
  const found = ["refresh_token_reused", "session_revoked"].includes(outcomes[1]);
  const caught = outcomes[0] === "ok" && found && outcomes[2] === "session_revoked";
  note(caught ? "caught" : "escaped");
  if (!caught) console.error(`session ${number}: ${outcomes}`);
}

mkdirSync(directory, { recursive: true });
const numbers = Array.from({ length: sessions }, (_, number) => number);
const worker = async () => {
  for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
    await session(number);
  }
};
await Promise.all(Array.from({ length: 8 }, worker));
process.exit(0);
