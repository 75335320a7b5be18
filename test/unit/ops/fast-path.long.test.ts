// Whole steps on the fast path, compared with the same steps on the reference path, which uses PyTorch's operations.
import { expect } from "chai";
import { createDistiller, createModel, createSession, Tensor, type Batch, type Distiller } from "../../../lib/index.js";
import type { ModelDType, Precision } from "../../../lib/config/schemas/common.js";
import type { Losses } from "../../../lib/config/schemas/losses.js";
import type { MethodInput } from "../../../lib/config/schemas/method.js";
import { normOf, valuesOf } from "../../support/numeric.js";
import { uniforms } from "../../support/uniforms.js";

const CLASSES = 5;
/** Larger tensors are skipped: they add nothing to the smaller ones and take seconds to read. */
const LARGEST = 40_000;

interface Pair {
  readonly teacher: string;
  readonly student: string;
  readonly images?: number;
  readonly height?: number;
  readonly width?: number;
  /** Additional image sizes. */
  readonly alsoAt?: readonly (readonly [height: number, width: number])[];
  readonly method?: MethodInput;
  readonly teacherMode?: "train" | "eval";
}

function batchOf({ images = 6, height = 16, width = 16 }: Pair): Batch {
  const pixels = Float32Array.from(uniforms(7, images * 3 * height * width), (value) => 4 * value - 2);
  const labels = BigInt64Array.from(uniforms(8, images), (value) => BigInt(Math.floor(value * CLASSES)));
  return { images: Tensor.from(pixels, [images, 3, height, width]), labels: Tensor.from(labels, [images]) };
}

interface Outcome {
  readonly losses: Losses;
  /** Gradients, and everything in the student that training changed. */
  readonly tensors: Map<string, number[]>;
}

interface Path {
  readonly fused: boolean;
  readonly precision?: Precision;
  readonly dtype?: ModelDType;
}

/** One step from the same values, whatever type they are computed in. */
async function outcomeOf(pair: Pair, { dtype = "float32", fused, ...path }: Path): Promise<Outcome> {
  const distillerIn = async (type: ModelDType): Promise<Distiller> =>
    createDistiller({
      teacher: await createModel(pair.teacher, { numClasses: CLASSES, seed: 3, dtype: type }),
      student: await createModel(pair.student, { numClasses: CLASSES, seed: 4, dtype: type }),
      method: pair.method ?? { kind: "review", weight: 0.6, warmupEpochs: 0 },
      seed: 5,
      ...(pair.teacherMode === undefined ? {} : { teacherMode: pair.teacherMode }),
    });
  const distiller = await distillerIn("float32");
  const computing = dtype === "float32" ? distiller : await distillerIn(dtype);
  await computing.loadStateDict(await distiller.stateDict());
  await computing.teacher.loadStateDict(await distiller.teacher.stateDict());
  // The reference rounds differently with another number of threads, and with one comes closer to float64 than the
  // bounds below suppose.
  using session = await createSession({ distiller: computing, ...path, fused, threads: 2,
    optimizer: { kind: "sgd", learningRate: 0.01 } });
  const { losses } = await session.step(batchOf(pair));
  const tensors = new Map<string, number[]>();
  const keep = (name: string, tensor: Tensor): void => {
    if (tensor.shape.reduce((product, size) => product * size, 1) <= LARGEST) tensors.set(name, valuesOf(tensor));
  };
  for (const [name, gradient] of Object.entries(await session.gradients())) keep(`gradient of ${name}`, gradient);
  for (const [name, value] of Object.entries(await computing.student.stateDict())) keep(name, value);
  return { losses, tensors };
}

/** The deviation of an outcome from the exact one: root mean square over tensors of the relative distance. */
function deviation(outcome: Outcome, exact: Outcome): number {
  expect([...outcome.tensors.keys()]).to.deep.equal([...exact.tensors.keys()]);
  let squares = 0;
  for (const [name, want] of exact.tensors) {
    const distance = normOf(outcome.tensors.get(name)!.map((value, i) => value - want[i]!));
    // The gradient of a bias before a normalization is nothing but rounding.
    squares += (distance / Math.max(normOf(want), 1e-3)) ** 2;
  }
  return Math.sqrt(squares / exact.tensors.size);
}

describe("the fast path", () => {
  // Networks of many layers with statistics over few values magnify rounding, so that no single bound fits all: the
  // fast path must not be farther from float64 than the reference is, up to the randomness of single roundings.
  const FACTOR = 3;

  const PAIRS: Record<string, Pair> = {
    "a small ResNet": { teacher: "resnet14", student: "resnet8" },
    "images of odd sizes": { teacher: "resnet14", student: "resnet8", height: 19, width: 23, images: 5 },
    "more images than a core takes at a time": { teacher: "resnet8", student: "resnet8", images: 19, height: 32,
      width: 32 },
    "wide stages": { teacher: "resnet8x4", student: "resnet8x4" },
    "bottlenecks": { teacher: "resnet8", student: "resnet50-cifar", height: 8, width: 8 },
    "ImageNet's stem": { teacher: "resnet18", student: "resnet18", height: 80, width: 64, images: 3 },
    "a Wide ResNet": { teacher: "wrn-16-2", student: "wrn-16-1" },
    "VGG, whose convolutions have biases": { teacher: "vgg8", student: "vgg8" },
    "depthwise convolutions": { teacher: "resnet8", student: "mobilenetv2-half", height: 32, width: 32 },
    // The reference's own distance varies by a factor of six from size to size.
    "channels that fill no vector": { teacher: "resnet8", student: "shufflenetv2", height: 32, width: 32,
      alsoAt: [[40, 32], [32, 48]] },
    "groups that are shuffled": { teacher: "resnet8", student: "shufflenetv1", height: 32, width: 32,
      alsoAt: [[40, 32], [32, 48]] },
    "every stage in one sum": { teacher: "resnet14", student: "resnet8",
      method: { kind: "review-pairs", warmupEpochs: 0 } },
    "a teacher in train mode": { teacher: "resnet14", student: "resnet8", teacherMode: "train" },
  };

  for (const [name, pair] of Object.entries(PAIRS)) {
    it(`takes a step as close to float64 as the reference does with ${name}`, async () => {
      const deviations = { fast: 0, reference: 0 };
      const sizes = [[pair.height, pair.width] as const, ...(pair.alsoAt ?? [])];
      for (const [height, width] of sizes) {
        const sized = { ...pair, ...(height === undefined ? {} : { height }),
          ...(width === undefined ? {} : { width }) };
        const exact = await outcomeOf(sized, { fused: false, dtype: "float64" });
        const [fast, reference] = [await outcomeOf(sized, { fused: true }), await outcomeOf(sized, { fused: false })];
        deviations.fast += deviation(fast, exact);
        deviations.reference += deviation(reference, exact);
        for (const key of ["crossEntropy", "distillation"] as const) {
          const distance = (outcome: Outcome): number => Math.abs(outcome.losses[key] / exact.losses[key] - 1);
          expect(distance(fast), key).to.be.lessThan(FACTOR * distance(reference) + 2e-6);
        }
      }
      expect(deviations.fast).to.be.lessThan(FACTOR * deviations.reference + 1e-6);
    });
  }

  it("takes a step in bfloat16 as close to float64 as the reference does", async () => {
    const pair = PAIRS["a small ResNet"]!;
    const exact = await outcomeOf(pair, { fused: false, dtype: "float64" });
    const [fast, reference] = [await outcomeOf(pair, { fused: true, precision: "bfloat16" }),
      await outcomeOf(pair, { fused: false, precision: "bfloat16" })];
    // Eight bits of mantissa, 0.4 % for each of some ten layers in a row.
    expect(fast.losses.total / exact.losses.total).to.be.closeTo(1, 0.03);
    expect(deviation(fast, exact)).to.be.lessThan(1.5 * deviation(reference, exact));
  });

  it("gives other bits than the reference, which proves that it was taken", async () => {
    const pair = PAIRS["a small ResNet"]!;
    const [fast, reference] = [await outcomeOf(pair, { fused: true }), await outcomeOf(pair, { fused: false })];
    expect(fast.tensors).to.not.deep.equal(reference.tensors);
  });

  it("gives the same bits each time", async () => {
    const pair = PAIRS["images of odd sizes"]!;
    for (const precision of ["float32", "bfloat16"] as const) {
      expect(await outcomeOf(pair, { fused: true, precision })).to.deep.equal(
        await outcomeOf(pair, { fused: true, precision }),
      );
    }
  });
});
