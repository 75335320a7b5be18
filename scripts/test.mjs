#!/usr/bin/env node
// `npm test`: everything that a change has to pass. Steps that leave a processor idle run side by side: lint and type
// check alongside the compiler, the test files on two processes; the tests that need the machine to themselves come
// last.
import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Runs a script of package.json and reports how long it took.
 *
 * @param {string} name
 * @param {{ collect?: boolean }} [options] `collect`: prints the output when the step ends instead of as it comes
 * @returns {Promise<boolean>} whether it passed
 */
function step(name, { collect = false } = {}) {
  const started = performance.now();
  // npm is a script on Windows, which only a shell runs.
  const child = spawn("npm", ["run", "--silent", name], { cwd: root, shell: process.platform === "win32",
    stdio: ["ignore", collect ? "pipe" : "inherit", collect ? "pipe" : "inherit"] });
  /** @type {Buffer[]} */
  const output = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (/** @type {Buffer} */ chunk) => {
      output.push(chunk);
    });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.stderr.write(Buffer.concat(output));
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      process.stderr.write(
        `npm test: ${name} ${code === 0 ? "passed" : `failed (${signal ?? `exit code ${String(code)}`})`} after ${seconds} s\n`,
      );
      resolve(code === 0);
    });
  });
}

/**
 * Runs steps one after the other, up to the first that fails.
 *
 * @param {readonly string[]} names
 * @param {{ collect?: boolean }} [options]
 */
async function inTurn(names, options) {
  for (const name of names) if (!(await step(name, options))) return false;
  return true;
}

// Examples and lint know the package by the declarations in dist.
const passed = await step("build:ts")
  && (await Promise.all([step("build:tests"), inTurn(["lint", "typecheck", "test:types"], { collect: true })])).every(
    Boolean,
  )
  && await inTurn(["test:native", "test:parallel", "test:serial"]);
process.exitCode = passed ? 0 : 1;
