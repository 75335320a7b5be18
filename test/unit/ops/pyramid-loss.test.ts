// The hierarchical context loss by its fast paths, against PyTorch's operations in double. What it is, hcl.test.ts holds against the paper.
import { addon } from "../../../lib/native.js";
import { BFLOAT16, EXACT, expectNearExact, FLOAT32, named, tensorOf, type Path } from "./maps.js";

const CASES: Record<string, readonly [number, number, number, number]> = {
  "three levels": [3, 64, 16, 16],
  "windows of a single pixel": [2, 16, 4, 8],
  "two levels": [5, 32, 4, 4],
  "a pooled vector": [7, 64, 1, 1],
  "more channels than a block reads at once": [2, 512, 8, 8],
  "one level, of two rows": [4, 16, 2, 2],
  "sides that differ": [2, 24, 8, 12],
  "sizes that the grids do not divide": [2, 32, 7, 7],
  "channels that no kernel takes": [2, 12, 8, 8],
};

async function run(shape: readonly number[], path: Path): Promise<Map<string, number[]>> {
  const maps = [tensorOf(21, shape, path.dtype, 2), tensorOf(22, shape, path.dtype, 2)];
  const { output, gradients } = await addon().pyramidLoss(maps.map(({ native }) => native), path);
  return named(["student"], output, gradients);
}

describe("the pyramid loss", () => {
  for (const [name, shape] of Object.entries(CASES)) {
    it(`and its gradient agree with double: ${name}`, async () => {
      // Sums of squares in float32, put together in double.
      expectNearExact(await run(shape, FLOAT32), await run(shape, EXACT), 2e-6);
    });

    it(`agree with double to the digits that bfloat16 has: ${name}`, async () => {
      // 2⁻⁸ for each rounding: both maps, and the gradient.
      expectNearExact(await run(shape, BFLOAT16), await run(shape, EXACT), 3 * 2 ** -8);
    });
  }
});
