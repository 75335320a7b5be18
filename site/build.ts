#!/usr/bin/env -S node --import tsx
// Builds the site:  node --import tsx site/build.ts [--dev]
import { build, createServer } from "vitepress";
import { generateApi } from "./api/generate.js";
import { checkSite } from "./check.js";

const { dirname: site } = import.meta;

await generateApi();
if (process.argv.includes("--dev")) {
  const server = await createServer(site, { host: "127.0.0.1" });
  await server.listen();
  server.printUrls();
} else {
  await build(site);
  const problems = checkSite(`${site}/.vitepress/dist`);
  if (problems.length > 0) {
    process.stderr.write(`${problems.join("\n")}\n`);
    process.exitCode = 1;
  }
}
