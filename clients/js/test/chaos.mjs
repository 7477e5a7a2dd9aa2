// Sessions of this library through a bad network, for `cargo xtask chaos`.

import { Client, memoryStorage } from "@aquaware/client";
import { SERVER, persistently, storm } from "./storm.mjs";

const PATIENCE = { timeout: 1_500, backoff: 10, patience: 60_000 };

const library = {
  open: (issuer, storage, clientId) => new Client(issuer, { storage, clientId, ...PATIENCE }),
  login: (client, { email, password }) => client.login(email, password),
  renew: (client, rejected) => client.refresh(rejected),
  access: (text) => JSON.parse(text)?.access,
  shifted: (text, span) => {
    const record = JSON.parse(text);
    return JSON.stringify({ ...record, sent: record.sent?.map((it) => it + span) });
  },
  ended: (error) => error.code === "logged_out" && (error.body?.code ?? "logged_out"),
  finish: async (found) => {
    const { number, storage, tab, note } = found;
    // The live token is the stored one: there is no other branch of the session.
    const last = library.access(storage.get());
    await persistently(library, () => tab(SERVER).refresh(last)).catch(() => note("fork"));
    if (number % 10 === 0) await theft(found);
  },
};

/** A copy of the refresh token is used by a thief: before its owner, or after. */
async function theft({ number, storage, tab, note }) {
  note("thief");
  const thief = new Client(SERVER, { storage: memoryStorage(), ...PATIENCE });
  const owner = tab(SERVER);
  await thief.adopt({ refresh_token: JSON.parse(storage.get()).refresh });
  const thiefRenews = [() => thief.token(), async () => thief.refresh(await thief.token())];
  const ownerRenews = Array(2).fill(() => owner.refresh(library.access(storage.get())));
  const turns = number % 20 === 0 ? [thiefRenews, ownerRenews] : [ownerRenews, thiefRenews];
  const outcomes = [];
  for (const renew of [turns[0][0], turns[1][0], turns[0][1]]) {
    const outcome = persistently(library, renew);
    outcomes.push(await outcome.then(() => "ok", library.ended));
  }
  // An answer that was lost is repeated as `session_revoked`.
  const found = ["refresh_token_reused", "session_revoked"].includes(outcomes[1]);
  const caught = outcomes[0] === "ok" && found && outcomes[2] === "session_revoked";
  note(caught ? "caught" : "escaped");
  if (!caught) console.error(`session ${number}: ${outcomes}`);
}

await storm(library);
