// Dies of an error that nobody catches while an epoch runs.
import { beginLongEpoch, longData, smallSession } from "./small-session.mjs";

const session = await smallSession();
beginLongEpoch(session, await longData(), () => {
  setImmediate(() => {
    throw new Error("the program's own error");
  });
});
