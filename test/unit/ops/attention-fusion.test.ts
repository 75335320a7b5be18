// Attention based fusion as one operation, against the same by PyTorch's operations in double.
import { expect } from "chai";
import { Tensor } from "../../../lib/index.js";
import { addon } from "../../../lib/native.js";
import { expectAllNear, slopeOf, sumOf, valuesOf } from "../../support/numeric.js";
import { BFLOAT16, EXACT, expectNearExact, FLOAT32, named, tensorOf, type Path } from "./maps.js";

interface Case {
  readonly images: number;
  readonly channels: number;
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

const NAMES = ["x", "y", "weight", "bias"];

function inputsOf({ images, channels, x, y }: Case, { dtype }: Path): Tensor[] {
  return [
    tensorOf(11, [images, channels, ...x], dtype, 2), tensorOf(12, [images, channels, ...y], dtype, 2),
    tensorOf(13, [2, 2 * channels, 1, 1], dtype, Math.sqrt(3 / (2 * channels))), tensorOf(14, [2], dtype),
  ];
}

async function run(task: Case, path: Path, inputs = inputsOf(task, path)): Promise<Map<string, number[]>> {
  const gradient = tensorOf(15, [task.images, task.channels, ...task.x], path.dtype);
  const { output, gradients } = await addon().attentionFusion(inputs.map(({ native }) => native), gradient.native, path);
  return named(NAMES, output, gradients);
}

const CASES: Record<string, Case> = {
  "maps of one size": { images: 3, channels: 64, x: [8, 8], y: [8, 8] },
  "a map of half the size": { images: 3, channels: 64, x: [16, 16], y: [8, 8] },
  "a pooled vector": { images: 5, channels: 64, x: [8, 8], y: [1, 1] },
  "more channels than a block reads at once": { images: 2, channels: 512, x: [6, 6], y: [3, 3] },
  "few channels, and sides that differ": { images: 2, channels: 16, x: [6, 15], y: [3, 5] },
  "sizes that do not divide one another": { images: 2, channels: 32, x: [7, 7], y: [4, 4] },
  "channels that fill no vector": { images: 2, channels: 24, x: [4, 6], y: [2, 3] },
  "channels that no kernel takes": { images: 2, channels: 12, x: [4, 4], y: [2, 2] },
};

describe("attention based fusion", () => {
  for (const [name, task] of Object.entries(CASES)) {
    it(`and its gradients agree with double: ${name}`, async () => {
      // Sums of some hundred products in float32.
      expectNearExact(await run(task, FLOAT32), await run(task, EXACT), 2e-6);
    });

    it(`agrees with double to the digits that bfloat16 has: ${name}`, async () => {
      // 2⁻⁸ for each rounding: maps, weights where the reference rounds them, what is given back, and the gradient.
      expectNearExact(await run(task, BFLOAT16), await run(task, EXACT), 4 * 2 ** -8);
    });
  }

  it("has the gradients that differences give, in double", async () => {
    const task: Case = { images: 2, channels: 16, x: [4, 4], y: [2, 2] };
    const outputGradient = valuesOf(tensorOf(15, [2, 16, 4, 4], "float64"));
    const gradients = await run(task, EXACT);
    for (const [index, name] of NAMES.entries()) {
      const loss = async (step: number): Promise<number> => {
        const inputs = inputsOf(task, EXACT);
        inputs[index] = Tensor.from(Float64Array.from(valuesOf(inputs[index]!), (value, i) => value + (i === 1 ? step : 0)), [...inputs[index]!.shape]);
        return sumOf((await run(task, EXACT, inputs)).get("output")!.map((value, i) => value * outputGradient[i]!));
      };
      expectAllNear([gradients.get(`gradient of ${name}`)![1]!], [await slopeOf(loss, 1e-5)], 1e-6, name);
    }
  });

  it("gives the sum of both maps' shares that one finds by hand", async () => {
    // One pixel of eight equal channels: x = 1, y = 3. Weights 0 and a bias of 0 for z₀, ln 3 for z₁: z = ½ and ¾, and 1 · ½ + 3 · ¾ = 2.75.
    const inputs = [
      Tensor.from(new Float32Array(8).fill(1), [1, 8, 1, 1]), Tensor.from(new Float32Array(8).fill(3), [1, 8, 1, 1]),
      Tensor.from(new Float32Array(32), [2, 16, 1, 1]), Tensor.from(Float32Array.of(0, Math.log(3)), [2]),
    ];
    const output = (await run({ images: 1, channels: 8, x: [1, 1], y: [1, 1] }, FLOAT32, inputs)).get("output")!;
    expectAllNear(output, new Array<number>(8).fill(2.75), 1e-6, "output");
    expect(output).to.have.length(8);
  });
});
