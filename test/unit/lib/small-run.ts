import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FitEvent } from "../../../lib/config/schemas/fit-event.js";
import { ReviewKdError } from "../../../lib/errors.js";

/** Data for epochs of a fraction of a second. */
export const SMALL_DATA = { kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 32 } as const;

/** Options for four steps per epoch on any machine. */
export const SMALL_TRAINING = { epochs: 2, batchSize: 16, seed: 3, threads: 1,
  schedule: { kind: "constant" } } as const;

/** The events of one type, in order. */
export function ofType<Type extends FitEvent["type"]>(events: readonly FitEvent[],
  type: Type): Extract<FitEvent, { type: Type }>[] {
  return events.filter((event): event is Extract<FitEvent, { type: Type }> => event.type === type);
}

/** Runs to the end and returns all events and the result; `onEvent` may abort the run. */
export async function drain<Result>(
  run: AsyncGenerator<FitEvent, Result, void>,
  onEvent: (event: FitEvent) => void = () => undefined,
): Promise<{ events: FitEvent[]; result: Result }> {
  const events: FitEvent[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done === true) return { events, result: next.value };
    events.push(next.value);
    onEvent(next.value);
  }
}

/** The error with which `work` fails; throws if it succeeds. */
export async function failureOf(work: Promise<unknown>): Promise<ReviewKdError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ReviewKdError) return error;
    throw error;
  }
  throw new Error("missing failure: the work succeeded");
}

/** A temporary directory for each test of the suite. */
export function scratchDirectory(): (...names: string[]) => string {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-test-"));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });
  return (...names) => join(directory, ...names);
}
