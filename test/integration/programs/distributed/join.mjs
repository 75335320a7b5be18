// Joins the others of its group by the addon itself, as if it were of another version: join.mjs VERSION TIMEOUT.
import { hostname } from "node:os";
import { addon } from "../../../../dist/native.js";
import { processEnvironment } from "reviewkd";

const [version, timeout] = process.argv.slice(2);
const { rank, size, localSize, master, storeIsHosted, prefix } = processEnvironment();
const member = { rank, size, localSize, host: hostname(), processId: process.pid, version };
try {
  const group = await addon().joinProcessGroup({ ...member, timeoutSeconds: Number(timeout), master, storeIsHosted,
    prefix, address: "127.0.0.1", id: String(process.pid), groupsBefore: 0 }, addon().newStopFlag());
  await group.leave();
} catch (error) {
  process.stdout.write(`${JSON.stringify({ type: "error", code: error.code, message: error.message })}\n`);
  process.exitCode = 1;
}
