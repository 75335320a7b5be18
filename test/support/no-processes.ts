/**
 * Required by `npm run test:fast`, whose tests start no process and no thread: there the functions that would do so
 * throw.
 */
import childProcess from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import threads from "node:worker_threads";
import { addon } from "../../lib/native.js";

const STARTING = ["exec", "execFile", "execFileSync", "execSync", "fork", "spawn", "spawnSync"] as const;

function refuse(name: string): never {
  throw new Error(
    `invalid fast test: expected no process and no thread, received a call of ${name}. Rename the file to *.process.test.ts.`,
  );
}

export const mochaHooks = {
  // Not before the tests run: mocha starts its own processes, and the loader of TypeScript its compiler.
  beforeAll(): void {
    // A new addon is tried in a child process before it is loaded.
    addon();
    for (const name of STARTING) Object.assign(childProcess, { [name]: () => refuse(name) });
    Object.assign(threads, { Worker: function Worker () {
      refuse("Worker");
    } });
    // For those who import the functions by name.
    syncBuiltinESMExports();
  },
};
