// Leaves everything undisposed and simply ends.
import { longData, smallBatch, smallSession } from "./small-session.mjs";

const session = await smallSession();
const data = await longData();
const batches = data.train.batches({ batchSize: 4 });
await batches.next();
await session.step(smallBatch());
console.log("stepped");
