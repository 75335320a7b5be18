// The caller's side of a training that runs its own loop in the trainer.
import { ReviewKdError } from "../errors.js";
import type { FitEvent } from "../config/schemas/events.js";
import type { FitResult } from "../config/schemas/run-record.js";
import type { Connection } from "./connection.js";

/** Goes through the events of a training: each is asked for, as without a host, so that nothing heaps up. */
export async function* trainRemotely(
  connection: Connection, begin: () => Promise<number>, runDirectory: string | undefined,
): AsyncGenerator<FitEvent, FitResult, void> {
  const watched = runDirectory === undefined ? undefined : connection.watchRun(runDirectory);
  let generator: number | undefined;
  let running = false;
  try {
    generator = await begin();
    for (;;) {
      running = false;
      const next = await connection.call("fitNext", { generator });
      if (next.done) {
        if (next.value === null) throw new ReviewKdError("INTERNAL", "expected the training's result, got none");
        return next.value;
      }
      running = true;
      if (next.value.type === "checkpoint" && next.value.kind === "last") connection.saved(next.value.path);
      if (next.value.type === "interrupted" && next.value.checkpoint !== null) connection.saved(next.value.checkpoint);
      yield next.value;
    }
  } finally {
    // Whoever leaves the loop early stops the training; one that has failed is stopped already.
    if (running && generator !== undefined) await connection.call("generatorReturn", { generator });
    watched?.[Symbol.dispose]();
  }
}
