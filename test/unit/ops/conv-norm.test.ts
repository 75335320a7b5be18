// Convolution, normalization, addition and ReLU as one operation, compared with PyTorch's operations in double.
import { expect } from "chai";
import { Tensor } from "../../../lib/index.js";
import { TEST_DEVICE } from "../../support/device.js";
import { distance, expectAllNear, slopeOf, sumOf, valuesOf } from "../../support/numeric.js";
import { tensorOf } from "../../support/operations.js";
import { testingAddon } from "../../support/testing-addon.js";

interface Case {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly channels: readonly [number, number];
  readonly kernel?: 1 | 3 | 7;
  readonly groups?: number;
  readonly stride?: 1 | 2;
  readonly residual?: boolean;
  readonly relu?: boolean;
}

interface Path {
  readonly dtype: "float64" | "float32";
  readonly fused: boolean;
  /** Values in float32, computed in bfloat16. */
  readonly bfloat16?: boolean;
  readonly training?: boolean;
}

/** x, weight, gamma, beta and the residual. */
function inputsOf(
  { images, height, width, channels: [from, to], kernel = 3, groups = 1, stride = 1, residual = false }: Case,
  path: Path,
): Tensor[] {
  const out = [images, to, Math.ceil(height / stride), Math.ceil(width / stride)];
  return [
    tensorOf(1, [images, from, height, width], path),
    tensorOf(2, [to, from / groups, kernel, kernel], path, Math.sqrt((6 * groups) / (from * kernel * kernel))),
    tensorOf(3, [to], path, 0.3, 1),
    tensorOf(4, [to], path, 0.3),
    ...(residual ? [tensorOf(5, out, path)] : []),
  ];
}

async function run(task: Case, path: Path, inputs = inputsOf(task, path)): Promise<Map<string, number[]>> {
  const { stride = 1, relu = false } = task;
  const out = [task.images, task.channels[1], Math.ceil(task.height / stride), Math.ceil(task.width / stride)];
  const { output, gradients, statistics } = await testingAddon().convNorm(
    inputs.map(({ native }) => native),
    tensorOf(6, out, path).native,
    { stride, relu, training: path.training ?? true, fused: path.fused, bfloat16: path.bfloat16 ?? false,
      device: path.dtype === "float64" ? "cpu" : TEST_DEVICE },
  );
  const names = ["x", "weight", "gamma", "beta", "residual"].map((name) => `gradient of ${name}`);
  const tensors = [output, ...gradients, ...statistics].map((native) => valuesOf(Tensor.wrap(native)));
  const all = ["output", ...names.slice(0, gradients.length), "running mean", "running variance"];
  return new Map(all.map((name, i) => [name, tensors[i]!]));
}

const CASES: Record<string, Case> = {
  "whole tiles": { images: 3, height: 32, width: 32, channels: [16, 16] },
  "tiles that are cut off": { images: 2, height: 13, width: 7, channels: [32, 16] },
  "fewer pixels than a tile has": { images: 5, height: 2, width: 3, channels: [16, 32] },
  "small maps, several at a time": { images: 11, height: 8, width: 8, channels: [64, 64] },
  "many channels": { images: 2, height: 9, width: 9, channels: [128, 144] },
  "a stride": { images: 3, height: 15, width: 16, channels: [16, 32], stride: 2 },
  "single taps": { images: 3, height: 6, width: 5, channels: [32, 48], kernel: 1 },
  "an image's three channels": { images: 3, height: 12, width: 10, channels: [3, 16] },
  "channels that fill no vector": { images: 2, height: 6, width: 6, channels: [20, 24] },
  "a filter for each channel": { images: 3, height: 7, width: 6, channels: [24, 24], groups: 24 },
  "groups, and a stride": { images: 2, height: 8, width: 8, channels: [32, 64], groups: 4, stride: 2 },
  "a map that is treated in parts": { images: 2, height: 40, width: 35, channels: [16, 64] },
  "a map that is treated in parts, behind PyTorch's convolution": { images: 1, height: 37, width: 32,
    channels: [8, 72] },
  "ImageNet's first filters": { images: 2, height: 18, width: 16, channels: [3, 32], kernel: 7, stride: 2 },
};

describe("convolution and normalization", () => {
  for (const [name, task] of Object.entries(CASES)) {
    for (const training of [true, false]) {
      it(`${training ? "and their gradients agree" : "agree by running statistics"} with double: ${name}`, async () => {
        // No ReLU: a value within rounding of 0 can fall on either side of it.
        const exact = await run({ ...task, residual: true }, { dtype: "float64", fused: false, training });
        const fast = await run({ ...task, residual: true }, { dtype: "float32", fused: true, training });
        expect([...fast.keys()]).to.deep.equal([...exact.keys()]);
        // Some thousand products are summed; Winograd's transforms lose 2.5 times as much as plain sums do.
        for (const [what, want] of exact) expect(distance(fast.get(what)!, want), what).to.be.lessThan(5e-6);
      });
    }

    it(`agree with double up to bfloat16 precision: ${name}`, async () => {
      const exact = await run({ ...task, residual: true }, { dtype: "float64", fused: false });
      const fast = await run({ ...task, residual: true }, { dtype: "float32", fused: true, bfloat16: true });
      // 2⁻⁸ per rounding of a map: inputs, convolved, normalized, and their gradients.
      for (const [what, want] of exact) expect(distance(fast.get(what)!, want), what).to.be.lessThan(4 * 2 ** -8);
    });
  }

  it("clip values below zero, and their gradient", async () => {
    const task = CASES["whole tiles"]!;
    const [plain, cut] = [await run(task, { dtype: "float32", fused: true }),
      await run({ ...task, relu: true }, { dtype: "float32", fused: true })];
    expectAllNear(cut.get("output")!, plain.get("output")!.map((value) => Math.max(0, value)), 0, "output");
    const outputGradient = valuesOf(tensorOf(6, [3, 16, 32, 32], { dtype: "float32" }));
    const betas = Array.from({ length: 16 }, (_, channel) =>
      sumOf(
        outputGradient.filter((_value, i) => Math.floor(i / 1024) % 16 === channel && cut.get("output")![i]! > 0),
      ));
    expectAllNear(cut.get("gradient of beta")!, betas, 1e-5, "gradient of beta");
  });

  it("have the gradients of finite differences, in double", async () => {
    const path: Path = { dtype: "float64", fused: true };
    const task: Case = { images: 2, height: 5, width: 6, channels: [16, 16], residual: true };
    const outputGradient = valuesOf(tensorOf(6, [2, 16, 5, 6], path));
    const gradients = await run(task, path);
    for (const [index, name] of ["x", "weight", "gamma", "beta", "residual"].entries()) {
      const loss = async (step: number): Promise<number> => {
        const inputs = inputsOf(task, path);
        const input = inputs[index]!;
        inputs[index] = Tensor.from(Float64Array.from(valuesOf(input), (value, i) => value + (i === 7 ? step : 0)), [
          ...input.shape,
        ]);
        const output = (await run(task, path, inputs)).get("output")!;
        return sumOf(output.map((value, i) => value * outputGradient[i]!));
      };
      const slope = await slopeOf(loss, 1e-5);
      expectAllNear([gradients.get(`gradient of ${name}`)![7]!], [slope], 1e-6, name);
    }
  });
});
