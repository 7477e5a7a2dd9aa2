// The storm of `cargo xtask chaos` for libraries of Node. xtask describes what a driver does and
// kills this process now and then: everything it knows is in the directory.

import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

globalThis.crypto ??= webcrypto;

const { CHAOS_PROXY: proxy, CHAOS_DIRECTORY: directory } = process.env;
export const SERVER = process.env.CHAOS_SERVER;
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

/** Repeats a call until it is decided. A crash ends it without a result. */
export async function persistently(library, action) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if (error instanceof Crash) return undefined;
      if (library.ended(error) || tries > 200) throw error;
      await sleep(20);
    }
  }
}

/** Waits for all, and fails if one failed. */
async function all(promises) {
  const failed = (await Promise.allSettled(promises)).find((it) => it.status === "rejected");
  if (failed) throw failed.reason;
}

/** One session of the library from login to its end. */
async function session(library, number, refreshes) {
  const file = (name) => join(directory, `${number}.${name}`);
  const note = (name) => writeFileSync(file(name), "");
  if (existsSync(file("done"))) return;
  if (existsSync(file("thief"))) {
    // Killed during the theft, with the end of the session in an unknown state.
    rmSync(file("session"), { force: true });
  }
  const storage = fileStorage(file("session"));
  const goesOffline = [1, 2].includes(number) && library.shifted;
  const profile = goesOffline ? "offline" : number % 10 === 5 ? "device" : "strict";
  const clientId = library.clientId ?? profile;
  const tab = (issuer = proxy) => library.open(issuer, storage, clientId);
  const logIn = async () => {
    const user = { email: `${process.env.CHAOS_NAME}-${number}@example.com`, password: "seven blue snails" };
    const headers = { "content-type": "application/json" };
    await persistently(library, async () => {
      const body = JSON.stringify(user);
      const answer = await fetch(`${SERVER}/auth/signup`, { method: "POST", headers, body });
      if (answer.status !== 201 && answer.status !== 409) throw new Error(await answer.text());
      await library.login(tab(SERVER), user);
    });
  };
  if (storage.get() === null) await logIn();
  const count = () => (existsSync(file("count")) ? statSync(file("count")).size : 0);
  let client = tab();
  while (count() < refreshes) {
    const before = storage.get();
    const access = library.access(before);
    const chance = below(20);
    if (chance < 2) storage.crashes(chance === 0 ? "before" : "after");
    try {
      if (chance < 5) {
        const tabs = [client, ...Array.from({ length: 4 }, () => tab())];
        await persistently(library, () => all(tabs.map((it) => library.renew(it, access))));
      } else if (chance < 7 && library.shifted) {
        // The clock is set by a day, and the access token is found to be too old or too new.
        storage.put(library.shifted(before, chance === 5 ? 86_400_000 : -86_400_000));
        await persistently(library, () => client.token());
      } else {
        await persistently(library, () => library.renew(client, access));
      }
    } catch (error) {
      const reason = library.ended(error);
      if (!reason) throw error;
      appendFileSync(file("logout"), `${reason}\n`);
      if (!library.logsInAgain) return note("done");
      storage.crashes(undefined);
      storage.put(null);
      await logIn();
    }
    storage.crashes(undefined);
    if (chance === 7) storage.put(before); // the last write is lost
    if (chance < 3 || chance === 7) client = tab(); // and the process has ended
    if (storage.get() !== before) appendFileSync(file("count"), ".");
  }
  if (goesOffline) {
    // The client returns when its access token has expired and its refresh token is near its end.
    if (!existsSync(file("offline"))) note("offline");
    const span = 1_000 * process.env.CHAOS_OFFLINE;
    await sleep(Math.max(0, statSync(file("offline")).mtimeMs + span - Date.now()));
    const before = library.shifted(storage.get(), number === 1 ? 86_400_000 : -86_400_000);
    storage.put(before);
    try {
      await persistently(library, () => tab().token());
      if (storage.get() !== before) note("back");
    } catch (error) {
      appendFileSync(file("logout"), `${library.ended(error) || error}\n`);
      return note("done");
    }
  }
  await library.finish?.({ number, storage, tab, note });
  note("done");
}

/** Takes the library through the storm. */
export async function storm(library) {
  mkdirSync(directory, { recursive: true });
  const [sessions, refreshes] = [process.env.CHAOS_SESSIONS, process.env.CHAOS_REFRESHES].map(Number);
  const numbers = Array.from({ length: sessions }, (_, number) => number);
  const worker = async () => {
    for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
      await session(library, number, refreshes);
    }
  };
  await Promise.all(Array.from({ length: Number(process.env.CHAOS_AT_ONCE) }, worker));
  process.exit(0);
}
