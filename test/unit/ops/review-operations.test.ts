// The building blocks of review as fused operations, compared with PyTorch's operations in double: the hierarchical
// context loss, and the attention of attention based fusion.
import { expect } from "chai";
import { Tensor } from "../../../lib/index.js";
import type { NativeTensor } from "../../../lib/native-types.js";
import { TEST_DEVICE } from "../../support/device.js";
import { distance, expectAllNear, slopeOf, sumOf, valuesOf } from "../../support/numeric.js";
import { tensorOf } from "../../support/operations.js";
import { testingAddon, type OperationOptions, type OperationResult } from "../../support/testing-addon.js";

type Shape = readonly number[];

interface Operation {
  readonly run: (inputs: readonly NativeTensor[], outputGradient: NativeTensor,
    options: OperationOptions) => Promise<OperationResult>;
  readonly inputs: readonly string[];
  readonly cases: Readonly<Record<string, { readonly shapes: readonly Shape[]; readonly output: Shape }>>;
}

const fusion = (batch: number, channels: number, [height, width]: readonly [number, number],
  [rows, columns]: readonly [number, number]) => ({
    shapes: [[batch, channels, height, width], [batch, channels, rows, columns], [2, 2 * channels, 1, 1], [2]],
    output: [batch, channels, height, width],
  });
const maps = (...shape: number[]) => ({ shapes: [shape, shape], output: [] });

const OPERATIONS: Record<string, Operation> = {
  "attention based fusion": {
    run: async (...parameters) => testingAddon().attentionFusion(...parameters),
    inputs: ["x", "y", "weight", "bias"],
    cases: {
      "a map of twice the size": fusion(3, 64, [8, 8], [4, 4]),
      "a map that grew from one pixel": fusion(2, 32, [7, 6], [1, 1]),
      "a map that is treated in parts": fusion(2, 64, [40, 44], [20, 11]),
      "maps of one size": fusion(2, 16, [5, 3], [5, 3]),
      "sizes that no whole number stands between": fusion(2, 16, [7, 5], [4, 3]),
      "channels that fill no vector": fusion(2, 12, [6, 6], [3, 3]),
      "more channels than a block of a device reads at once": fusion(2, 512, [6, 6], [3, 3]),
      "sides that differ": fusion(2, 24, [6, 15], [3, 5]),
    },
  },
  "hierarchical context loss": {
    run: async (...parameters) => testingAddon().contextLoss(...parameters),
    inputs: ["student"],
    cases: {
      "all grids": maps(3, 64, 8, 8),
      "a map that is not square": maps(2, 32, 16, 8),
      "two grids": maps(2, 16, 4, 4),
      "a single pixel": maps(5, 64, 1, 1),
      "grids that do not divide the map": maps(2, 16, 7, 6),
      "channels that fill no vector": maps(2, 20, 8, 8),
      "more channels than a block of a device reads at once": maps(2, 512, 8, 8),
      "windows of a single pixel": maps(2, 16, 4, 8),
      "one grid, of a single window": maps(4, 16, 2, 2),
      "multiples of eight channels": maps(2, 24, 8, 12),
    },
  },
};

interface ComputeOptions extends Omit<OperationOptions, "fused" | "device"> {
  readonly fused: boolean;
  readonly dtype: "float64" | "float32";
}

describe("fused operations of review", () => {
  for (const [what, { run, inputs: names, cases }] of Object.entries(OPERATIONS)) {
    const compute = async ({ shapes, output }: Operation["cases"][string], options: ComputeOptions,
      changed?: readonly Tensor[]): Promise<Map<string, number[]>> => {
      const { dtype, fused, ...settings } = options;
      const inputs = changed ?? shapes.map((shape, i) => tensorOf(i + 1, shape, { dtype }));
      const result = await run(inputs.map(({ native }) => native), tensorOf(9, output, { dtype }).native, { ...settings,
        fused, device: dtype === "float64" ? "cpu" : TEST_DEVICE });
      expect(result.gradients).to.have.length(names.length);
      const tensors = new Map([["output", valuesOf(Tensor.wrap(result.output))]]);
      for (const [i, name] of names.entries())
        tensors.set(`gradient of ${name}`, valuesOf(Tensor.wrap(result.gradients[i]!)));
      return tensors;
    };

    for (const [name, task] of Object.entries(cases)) {
      it(`agree with double, gradients included: ${what}, ${name}`, async () => {
        const exact = await compute(task, { dtype: "float64", fused: false, bfloat16: false, training: true });
        const fast = await compute(task, { dtype: "float32", fused: true, bfloat16: false, training: true });
        for (const [part, want] of exact) expect(distance(fast.get(part)!, want), part).to.be.lessThan(2e-6);
      });

      it(`agree with double up to bfloat16 precision: ${what}, ${name}`, async () => {
        const exact = await compute(task, { dtype: "float64", fused: false, bfloat16: false, training: true });
        const fast = await compute(task, { dtype: "float32", fused: true, bfloat16: true, training: true });
        for (const [part, want] of exact) expect(distance(fast.get(part)!, want), part).to.be.lessThan(4 * 2 ** -8);
      });
    }

    it(`have the gradients of finite differences: ${what}`, async () => {
      // In double, which takes the reference path; the fast path was compared with it above.
      const task = Object.values(cases)[0]!;
      const settings = { dtype: "float64", fused: true, bfloat16: false, training: true } as const;
      const gradients = await compute(task, settings);
      const outputGradient = valuesOf(tensorOf(9, task.output, settings));
      for (const [index, name] of names.entries()) {
        const loss = async (step: number): Promise<number> => {
          const inputs = task.shapes.map((shape, i) => tensorOf(i + 1, shape, settings));
          inputs[index] = Tensor.from(
            Float64Array.from(valuesOf(inputs[index]!), (value, i) => value + (i === 1 ? step : 0)),
            [...task.shapes[index]!],
          );
          const output = (await compute(task, settings, inputs)).get("output")!;
          return sumOf(output.map((value, i) => value * outputGradient[i]!));
        };
        expectAllNear([gradients.get(`gradient of ${name}`)![1]!], [await slopeOf(loss, 1e-5)], 1e-6, name);
      }
    });
  }
});
