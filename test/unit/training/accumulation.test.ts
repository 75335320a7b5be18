import { expect } from "chai";
import { createSession, type Session } from "../../../lib/index.js";
import type { StepResult } from "../../../lib/config/schemas/events.js";
import { largestDifference, part, smallBatch, smallDistiller, smallModel, numbersOf, weightsOf } from "./small-training.js";

const BATCH = smallBatch(5, 7);
/** A batch of five in two parts. */
const BOUNDS = [[0, 2], [2, 5]] as const;
/** Float64 sums in another order: some roundings of 2^-53. */
const TOLERANCE = 1e-12;

async function modelSession(accumulate: number): Promise<Session> {
  return createSession({ model: await smallModel({ dtype: "float64" }), threads: 1, accumulate });
}

async function distillerSession(accumulate: number): Promise<Session> {
  return createSession({ distiller: await smallDistiller({ weight: 0.7 }, { dtype: "float64" }), threads: 1, accumulate });
}

interface Taken {
  readonly result: StepResult;
  readonly gradients: Record<string, Float64Array>;
}

async function take(session: Session, batch = BATCH): Promise<Taken> {
  const result = await session.step(batch);
  return { result, gradients: numbersOf(await session.gradients()) };
}

/** What each part gives by itself, from the same initial weights and with its own batch statistics. */
function takeParts(newSession: (accumulate: number) => Promise<Session>): Promise<Taken[]> {
  return Promise.all(BOUNDS.map(async ([begin, end]) => take(await newSession(1), part(BATCH, begin, end))));
}

const mean = (first: number, second: number): number => (2 * first + 3 * second) / 5;

describe("gradient accumulation", () => {
  for (const [what, newSession] of [["a network", modelSession], ["a distiller", distillerSession]] as const) {
    it(`averages the parts' gradients and losses by their sizes for ${what}`, async () => {
      const [first, second] = await takeParts(newSession);
      const whole = await take(await newSession(2));
      expect(Object.keys(whole.gradients)).to.deep.equal(Object.keys(first!.gradients));
      for (const [name, gradient] of Object.entries(whole.gradients)) {
        const expected = first!.gradients[name]!.map((value, i) => mean(value, second!.gradients[name]![i]!));
        expect(largestDifference(gradient, expected), name).to.be.below(TOLERANCE);
      }
      for (const term of ["total", "crossEntropy", "distillation"] as const) {
        expect(whole.result.losses[term], term).to.be.closeTo(mean(first!.result.losses[term], second!.result.losses[term]), TOLERANCE);
      }
      whole.result.losses.perStage.forEach((loss, stage) => {
        expect(loss).to.be.closeTo(mean(first!.result.losses.perStage[stage]!, second!.result.losses.perStage[stage]!), TOLERANCE);
      });
      expect(whole.result.step).to.equal(1);
    });
  }

  it("normalizes each part by its own batch statistics", async () => {
    const whole = await take(await modelSession(1));
    const split = await take(await modelSession(2));
    expect(largestDifference(split.gradients["conv1.weight"]!, whole.gradients["conv1.weight"]!)).to.be.above(1e-6);
  });

  it("moves the running statistics once for each part, in order", async () => {
    const session = await modelSession(2);
    await session.step(BATCH);
    const actual = await weightsOf(session.model);
    const twin = await smallModel({ dtype: "float64" });
    for (const [begin, end] of BOUNDS) await twin.forward(part(BATCH, begin, end).images, { mode: "train" });
    const expected = await weightsOf(twin);
    for (const name of Object.keys(expected).filter((key) => /running|tracked/.test(key))) {
      expect(largestDifference(actual[name]!, expected[name]!), name).to.be.below(TOLERANCE);
    }
    expect(actual["bn1.num_batches_tracked"]![0]).to.equal(2);
  });

  it("makes no more parts than there are images", async () => {
    const parts = await take(await modelSession(5));
    const more = await take(await modelSession(64));
    expect(more.gradients).to.deep.equal(parts.gradients);
    expect(more.result.losses).to.deep.equal(parts.result.losses);
  });
});
