// Exits while hundreds of steps and a checkpoint are queued.
import process from "node:process";
import { smallBatch, smallSession } from "./small-session.mjs";

const session = await smallSession();
const batch = smallBatch();
for (let i = 0; i < 500; ++i) session.step(batch);
session.saveCheckpoint(process.argv[2]);
console.log("queued");
process.exit(3);
