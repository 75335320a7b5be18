// Exits with the given code while an epoch runs, an evaluation waits behind it and batches are prepared.
import process from "node:process";
import { beginLongEpoch, longData, smallSession } from "./small-session.mjs";

const session = await smallSession();
const data = await longData();
await data.train.batches({ batchSize: 64 }).next();
beginLongEpoch(session, data, () => {
  console.log("training");
  process.exit(Number(process.argv[2]));
});
session.evaluate(data.train);
