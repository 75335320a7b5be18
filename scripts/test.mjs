#!/usr/bin/env node
// `npm test`: everything that a change has to pass. Steps that leave a processor idle run side by side: lint and type
// check alongside the C++ compiler, test files on three processes. Tests that need the machine to themselves come last.
import { execa } from "execa";
import { join } from "node:path";

const cwd = join(import.meta.dirname, "..");

/**
 * Runs scripts of package.json one after the other, up to the first that fails, and reports how long each took.
 *
 * @param {readonly string[]} names
 * @param {boolean} [collect] prints the output of a step when it ends instead of as it comes
 * @returns {Promise<boolean>} whether all passed
 */
async function inTurn(names, collect = false) {
  for (const name of names) {
    const output = collect ? "pipe" : "inherit";
    const { all, exitCode, signal, durationMs } = await execa("npm", ["run", "--silent", name], { cwd, reject: false,
      stdin: "ignore", stdout: output, stderr: output, all: true, stripFinalNewline: false });
    if (collect) process.stderr.write(all ?? "");
    const result = exitCode === 0 ? "passed" : `failed (${signal ?? `exit code ${String(exitCode)}`})`;
    process.stderr.write(`npm test: ${name} ${result} after ${(durationMs / 1000).toFixed(0)} s\n`);
    if (exitCode !== 0) return false;
  }
  return true;
}

// Examples and lint know the package by the declarations in dist.
const passed = await inTurn(["build:ts"])
  && (await Promise.all([inTurn(["build:tests"]), inTurn(["lint", "typecheck", "test:types"], true)])).every(Boolean)
  && await inTurn(["test:native", "test:parallel", "test:serial"]);
process.exitCode = passed ? 0 : 1;
