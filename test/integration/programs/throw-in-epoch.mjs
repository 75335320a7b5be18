// Ends with an uncaught error while an epoch runs.
import { startLongEpoch, longData, smallSession } from "./small-session.mjs";

const session = await smallSession();
startLongEpoch(session, await longData(), () => {
  setImmediate(() => {
    throw new Error("the program's own error");
  });
});
