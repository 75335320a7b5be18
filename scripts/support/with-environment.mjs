#!/usr/bin/env node
// Sets environment variables for a Node program, independent of the shell:  node scripts/support/with-environment.mjs
// NAME=VALUE… PROGRAM.js ARGUMENTS…
import { spawn } from "node:child_process";

const words = process.argv.slice(2);
const first = words.findIndex((word) => !/^\w+=/.test(word));
const variables = Object.fromEntries(
  words.slice(0, Math.max(0, first)).map((
    word,
  ) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
);
if (first < 1) {
  process.stderr.write(
    `USAGE: invalid arguments: expected NAME=VALUE… PROGRAM.js ARGUMENTS…, received ${words.join(" ") || "none"}. Name at least one variable.\n`,
  );
  process.exitCode = 1;
} else {
  const child = spawn(process.execPath, words.slice(first), { env: { ...process.env, ...variables },
    stdio: "inherit" });
  child.on("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}
