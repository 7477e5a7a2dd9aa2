// Checks with the names of facts: each runs, whatever became of the others, and has its line.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";

// The libraries look for it here, where Node 18 doesn't have it yet.
globalThis.crypto ??= webcrypto;

const checks = [];

/** Makes `action` a check. It fails by throwing anything. */
export function check(name, action) {
  checks.push({ name, action });
}

/** What a promise is rejected with; it must be with an error that has these properties. */
export async function rejected(promise, expected) {
  let error;
  await assert.rejects(promise, (reason) => {
    error = reason;
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(reason[name], value, reason);
    }
    return true;
  });
  return error;
}

/** Runs all checks in their order and leaves: with status 1 if any failed. */
export async function run() {
  let failed = 0;
  for (const { name, action } of checks) {
    try {
      await action();
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.error(error);
      console.log(`FAILED ${name}`);
    }
  }
  console.log(`${checks.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
