// Exits while hundreds of steps wait, and after them a file to be written.
import process from "node:process";
import { smallBatch, smallSession } from "./small-session.mjs";

const session = await smallSession();
const batch = smallBatch();
for (let i = 0; i < 500; ++i) session.step(batch);
session.saveCheckpoint(process.argv[2]);
console.log("queued");
process.exit(3);
