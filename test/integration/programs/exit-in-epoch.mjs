// Exits with the given code while an epoch runs, an evaluation is queued and batches are prefetched.
import process from "node:process";
import { startLongEpoch, longData, smallSession } from "./small-session.mjs";

const session = await smallSession();
const data = await longData();
await data.train.batches({ batchSize: 64 }).next();
startLongEpoch(session, data, () => {
  console.log("training");
  process.exit(Number(process.argv[2]));
});
session.evaluate(data.train);
