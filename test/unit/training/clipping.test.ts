import { expect } from "chai";
import { createSession, type Session } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { largestDifference, smallBatch, smallDistiller, smallModel, numbersOf, weightsOf } from "./small-training.js";

const BATCH = smallBatch(4, 5);
/** Float64 with a few roundings of 2^-53. */
const TOLERANCE = 1e-12;

function normOf(gradients: Record<string, Float64Array>): number {
  return Math.sqrt(
    Object.values(gradients).flatMap((values) => [...values]).reduce((sum, value) => sum + value ** 2, 0),
  );
}

async function newSession(clipNorm: number | null): Promise<Session> {
  const optimizer = { kind: "sgd", learningRate: 0.5, momentum: 0, nesterov: false, weightDecay: 0 } as const;
  return createSession({ model: await smallModel({ dtype: "float64" }), threads: 1, optimizer, clipNorm });
}

describe("gradient clipping", () => {
  let unclipped: Record<string, Float64Array>;

  before(async () => {
    const session = await newSession(null);
    const { gradientNorm } = await session.step(BATCH);
    expect(gradientNorm).to.equal(null);
    unclipped = numbersOf(await session.gradients());
  });

  it("reports the norm before clipping and scales all gradients by one factor", async () => {
    const limit = normOf(unclipped) / 3;
    const session = await newSession(limit);
    const { gradientNorm } = await session.step(BATCH);
    expect(gradientNorm! / normOf(unclipped)).to.be.closeTo(1, TOLERANCE);
    const clipped = numbersOf(await session.gradients());
    expect(normOf(clipped) / limit).to.be.closeTo(1, TOLERANCE);
    for (const [name, gradient] of Object.entries(clipped)) {
      expect(largestDifference(gradient, unclipped[name]!.map((value) => value / 3)), name).to.be.below(TOLERANCE);
    }
  });

  it("leaves gradients below the limit alone", async () => {
    const session = await newSession(2 * normOf(unclipped));
    const { gradientNorm } = await session.step(BATCH);
    expect(gradientNorm! / normOf(unclipped)).to.be.closeTo(1, TOLERANCE);
    expect(numbersOf(await session.gradients())).to.deep.equal(unclipped);
  });

  it("steps along the clipped gradients", async () => {
    const session = await newSession(0.01);
    const before = await weightsOf(session.model);
    await session.step(BATCH);
    const after = await weightsOf(session.model);
    for (const [name, gradient] of Object.entries(numbersOf(await session.gradients()))) {
      const expected = before[name]!.map((value, i) => value - 0.5 * gradient[i]!);
      expect(largestDifference(after[name]!, expected), name).to.be.below(TOLERANCE);
    }
  });

  it("takes the norm over the student and the method together", async () => {
    const session = await createSession({ distiller: await smallDistiller({}, { dtype: "float64" }), threads: 1,
      clipNorm: 1e9 });
    const { gradientNorm } = await session.step(BATCH);
    const gradients = numbersOf(await session.gradients());
    expect(Object.keys(gradients).some((name) => name.startsWith("abfs."))).to.equal(true);
    expect(gradientNorm! / normOf(gradients)).to.be.closeTo(1, TOLERANCE);
  });

  for (const clipNorm of [0, -1, NaN, Infinity]) {
    it(`refuses ${clipNorm} as a limit`, async () => {
      const error = await failureOf("INVALID_ARGUMENT", () => newSession(clipNorm));
      expect(error.message).to.include("clipNorm");
    });
  }
});
