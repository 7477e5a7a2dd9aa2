// Swagger UI: the files that the server has built in are those of the npm package.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

import { check, run } from "./checks.mjs";
import { ISSUER } from "./server.mjs";

const PACKAGE = path.dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

check("the built-in files are those of the package", async () => {
  const page = await (await fetch(`${ISSUER}/docs`)).text();
  for (const name of ["swagger-ui-bundle.js", "swagger-ui.css"]) {
    const published = await readFile(path.join(PACKAGE, name));
    assert.ok(page.includes(`/docs/${name}"`), page);
    for (const coding of ["gzip", "identity"]) {
      const headers = { "accept-encoding": coding };
      const response = await fetch(`${ISSUER}/docs/${name}`, { headers });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-encoding"), coding === "gzip" ? coding : null);
      const served = Buffer.from(await response.arrayBuffer());
      assert.ok(served.equals(published), `${name} differs under ${coding}`);
    }
  }
});

await run();
