#!/usr/bin/env node
// Sets environment variables for a Node program, independent of the shell:  node scripts/support/with-environment.mjs
// NAME=VALUE… PROGRAM.js ARGUMENTS…
import { execa } from "execa";

const words = process.argv.slice(2);
const first = words.findIndex((word) => !/^\w+=/.test(word));
if (first < 1) {
  process.stderr.write(
    `USAGE: invalid arguments: expected NAME=VALUE… PROGRAM.js ARGUMENTS…, received ${words.join(" ") || "none"}. Name at least one variable.\n`,
  );
  process.exitCode = 1;
} else {
  const env = Object.fromEntries(words.slice(0, first).map((word) => word.split(/=(.*)/s)));
  const { exitCode } = await execa(process.execPath, words.slice(first), { env, stdio: "inherit", reject: false });
  process.exitCode = exitCode ?? 1;
}
