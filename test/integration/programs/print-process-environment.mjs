// Prints the place of this process among others; fails in the first attempt if asked to.
import { processEnvironment } from "../../../dist/index.js";

const environment = processEnvironment() ?? null;
// One write, so that lines of several processes do not mix.
process.stdout.write(`${JSON.stringify(environment)}\n`);
if (process.argv.includes("--fail-once") && environment?.restarts === 0) process.exitCode = 3;
