import { expect } from "chai";
import { createSession, type Distiller, type Model, type Session } from "../../../lib/index.js";
import type { OptimizerInput } from "../../../lib/config/schemas/training.js";
import { failureOf } from "../../support/errors.js";
import { largestDifference, smallBatch, smallDistiller, smallModel, numbersOf, weightsOf } from "./small-training.js";

interface Settings {
  readonly momentum: number;
  readonly nesterov: boolean;
  /** Weight decay and factor of the learning rate for a parameter. */
  readonly of: (name: string) => { readonly decay: number; readonly scale: number };
}

/** g ← ∇ + decay · p;  v ← momentum · v + g;  p ← p - rate · (nesterov ? g + momentum · v : v), value by value. */
class ReferenceSgd {
  readonly #momentumBuffers = new Map<string, number[]>();

  constructor(readonly parameters: Map<string, number[]>, readonly settings: Settings) {}

  step(gradients: ReadonlyMap<string, readonly number[]>, learningRate: number): void {
    const { momentum, nesterov } = this.settings;
    for (const [name, values] of this.parameters) {
      const { decay, scale } = this.settings.of(name);
      const gradient = gradients.get(name)!.map((value, i) => value + decay * values[i]!);
      const buffer = gradient.map((value, i) => momentum * (this.#momentumBuffers.get(name)?.[i] ?? 0) + value);
      this.#momentumBuffers.set(name, buffer);
      this.parameters.set(name, values.map((value, i) => {
        const update = nesterov ? gradient[i]! + momentum * buffer[i]! : buffer[i]!;
        return value - learningRate * scale * update;
      }));
    }
  }
}

async function gradientsOf(session: Session): Promise<Map<string, number[]>> {
  return new Map(Object.entries(numbersOf(await session.gradients())).map(([name, values]) => [name, [...values]]));
}

/** Steps a session and the reference side by side; learning rates are those of the steps. */
async function compare(trained: Model | Distiller, session: Session, settings: Settings,
  learningRates: readonly number[]): Promise<void> {
  const before = await weightsOf(trained);
  let reference: ReferenceSgd | undefined;
  for (const [index, rate] of learningRates.entries()) {
    await session.setLearningRate(rate);
    const { learningRate } = await session.step(smallBatch(4, index));
    expect(learningRate).to.equal(rate);
    const gradients = await gradientsOf(session);
    reference ??= new ReferenceSgd(new Map([...gradients.keys()].map((name) => [name, [...before[name]!]])), settings);
    reference.step(gradients, rate);
  }
  const after = await weightsOf(trained);
  expect(reference!.parameters.size).to.be.greaterThan(20);
  for (const [name, expected] of reference!.parameters) {
    // A handful of float64 roundings lie between the two: 2^-53 each.
    expect(largestDifference(after[name]!, expected), name).to.be.below(1e-13);
    expect(after[name], name).to.not.deep.equal(before[name]);
  }
}

async function newSession(optimizer: Omit<OptimizerInput, "kind">): Promise<{ model: Model; session: Session }> {
  const model = await smallModel({ dtype: "float64" });
  return { model, session: await createSession({ model, threads: 1, optimizer: { kind: "sgd", ...optimizer } }) };
}

describe("SGD", () => {
  const cases = [
    { name: "with Nesterov's momentum and weight decay", momentum: 0.9, nesterov: true, weightDecay: 5e-2 },
    { name: "with classical momentum", momentum: 0.9, nesterov: false, weightDecay: 5e-2 },
    { name: "without weight decay", momentum: 0.5, nesterov: true, weightDecay: 0 },
    { name: "without momentum", momentum: 0, nesterov: false, weightDecay: 1e-1 },
  ];
  for (const { name, ...options } of cases) {
    it(`follows the reference over three steps ${name}`, async () => {
      const { model, session } = await newSession(options);
      await compare(model, session, { ...options, of: () => ({ decay: options.weightDecay, scale: 1 }) }, [0.1, 0.1,
        0.1]);
    });
  }

  it("follows a learning rate that changes between steps without rescaling the momentum buffers", async () => {
    const { model, session } = await newSession({ weightDecay: 1e-3 });
    await compare(model, session, { momentum: 0.9, nesterov: true, of: () => ({ decay: 1e-3, scale: 1 }) }, [0.2, 0.02,
      0.05]);
  });

  it("gives each parameter the values of the first group that matches its name", async () => {
    const groups = [
      { pattern: "^fc\\.", learningRateScale: 10 },
      { pattern: "\\.bias$", weightDecay: 0 },
      { pattern: "bn\\d\\.(weight|bias)$", learningRateScale: 0.5, weightDecay: 0.3 },
    ];
    const { model, session } = await newSession({ weightDecay: 0.05, groups });
    const of = (name: string): { decay: number; scale: number } => {
      if (name.startsWith("fc.")) return { decay: 0.05, scale: 10 };
      if (name.endsWith(".bias")) return { decay: 0, scale: 1 };
      if (/bn\d\.weight$/.test(name)) return { decay: 0.3, scale: 0.5 };
      return { decay: 0.05, scale: 1 };
    };
    await compare(model, session, { momentum: 0.9, nesterov: true, of }, [0.01, 0.01, 0.01]);
  });

  it("updates the student and the method's modules together", async () => {
    const distiller = await smallDistiller({}, { dtype: "float64" });
    const groups = [{ pattern: "^abfs\\.", learningRateScale: 3 }];
    const session = await createSession({ distiller, threads: 1,
      optimizer: { kind: "sgd", weightDecay: 0.01, groups } });
    const teacher = await weightsOf(distiller.teacher);
    await compare(
      distiller,
      session,
      { momentum: 0.9, nesterov: true, of: (name) => ({ decay: 0.01, scale: name.startsWith("abfs.") ? 3 : 1 }) },
      [0.02, 0.02, 0.02],
    );
    expect(Object.keys(await session.gradients()).some((name) => name.startsWith("student."))).to.equal(true);
    expect(await weightsOf(distiller.teacher)).to.deep.equal(teacher);
  });

  for (const [what, pattern] of [["matches no parameter", "nowhere"], ["is no regular expression", "["]] as const) {
    it(`refuses a group whose pattern ${what}`, async () => {
      const error = await failureOf("INVALID_ARGUMENT", () => newSession({ groups: [{ pattern }] }));
      expect(error.message).to.include(`"${pattern}"`);
    });
  }

  it("refuses a group that an earlier one leaves nothing to", async () => {
    const error = await failureOf("INVALID_ARGUMENT",
      () => newSession({ groups: [{ pattern: "." }, { pattern: "^fc\\." }] }));
    expect(error.message).to.include("no earlier group");
  });
});
