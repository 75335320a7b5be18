// Runs child processes and keeps the end of what they said.
import { spawn } from "node:child_process";

const KEPT_CHARACTERS = 64 * 1024;

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [onLine] called with each line of stdout and stderr while it comes
 * @property {boolean} [verbatim] gives the words to a program for Windows as they are, for one that reads quotes in its own way
 * @property {boolean} [inheritOutput] gives the child our stderr as its stdout, so that it can draw a progress bar
 *
 * @typedef {object} RunResult
 * @property {number | null} status null when the program could not be started or a signal ended it
 * @property {NodeJS.Signals | null} signal
 * @property {string} stdout
 * @property {string} output stdout and stderr as they came, the last 64 KiB
 * @property {NodeJS.ErrnoException | undefined} startError why the program could not be started
 */

/**
 * Runs a program to its end; resolves whatever the exit status.
 *
 * @param {string} file
 * @param {readonly string[]} parameters
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
export function run(file, parameters, options = {}) {
  const { cwd, env, onLine, inheritOutput = false, verbatim = false } = options;
  return new Promise((resolve) => {
    const child = spawn(file, [...parameters], { cwd, env, stdio: ["ignore", inheritOutput ? 2 : "pipe", "pipe"], windowsVerbatimArguments: verbatim });
    let stdout = "";
    let output = "";
    /** @type {NodeJS.ErrnoException | undefined} */
    let startError;
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      let pending = "";
      stream.setEncoding("utf8");
      stream.on("data", (/** @type {string} */ text) => {
        if (stream === child.stdout) stdout += text;
        output = (output + text).slice(-KEPT_CHARACTERS);
        if (!onLine) return;
        const lines = (pending + text).split("\n");
        pending = lines.pop() ?? "";
        for (const line of lines) onLine(line);
      });
      stream.on("end", () => {
        if (pending) onLine?.(pending);
      });
    }
    child.on("error", (error) => {
      startError = error;
      if (child.pid === undefined) resolve({ status: null, signal: null, stdout, output, startError });
    });
    child.on("close", (status, signal) => resolve({ status, signal, stdout, output, startError }));
  });
}

/**
 * The last lines of a tool's output, indented for an error message.
 *
 * @param {string} output
 * @param {number} [count]
 */
export function lastLines(output, count = 12) {
  return output.trimEnd().split("\n").slice(-count).map((line) => `    ${line}`).join("\n");
}
