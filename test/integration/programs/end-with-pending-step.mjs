// Ends its own code during a step, so that only the step keeps the process alive.
import { smallBatch, smallSession } from "./small-session.mjs";

const session = await smallSession();
session.step(smallBatch()).then(() => console.log("stepped"));
console.log("asked");
