// Checks named as facts: each runs even if others failed, and prints one line.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";

// The libraries expect it here, where Node 18 does not provide it.
globalThis.crypto ??= webcrypto;

const checks = [];

/** Registers `action` as a check, which fails by throwing. */
export function check(name, action) {
  checks.push({ name, action });
}

/** The error of a promise, which must be rejected with these properties. */
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

/** Runs all checks in order, and exits with status 1 if any failed. */
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
