import { expect } from "chai";
import { hierarchicalContextLoss, Tensor } from "../../../lib/index.js";
import { sequence, sequenceTensor } from "../../support/deterministic.js";
import { expectSummary, readHclGolden } from "../../support/golden.js";
import { FeatureMap, referenceHcl } from "../../support/maps.js";
import { expectAllNear, expectNear, slopeOf, valuesOf } from "../../support/numeric.js";

// Sums of fewer than a thousand terms in double precision.
const ROUNDING = 1e-13;

const lossOf = async (student: FeatureMap, teacher: FeatureMap): Promise<number> =>
  (await hierarchicalContextLoss(student.tensor(), teacher.tensor())).loss;

/** The loss of a single map whose columns alternate between 1 and -1 in stripes of this width, against zeros. */
async function lossOfStripes(height: number, width: number, stripe: number): Promise<number> {
  const stripes = FeatureMap.from(1, 1, height, width, (_n, _c, _y, x) => (Math.floor(x / stripe) % 2 === 0 ? 1 : -1));
  return lossOf(stripes, new FeatureMap(1, 1, height, width));
}

describe("the hierarchical context loss", () => {
  it("gives the loss and the gradient computed by hand", async () => {
    // Map [[1, 2], [3, 4]] against zeros. The squares' mean is (1 + 4 + 9 + 16) / 4 = 7.5. Of the levels 4, 2 and 1
    // only 1 is smaller than the height of 2: there the mean is 2.5, its square 6.25, its weight ½. Loss (7.5 + 3.125)
    // / 1.5 = 85 / 12.
    // Gradient by element: (2 x / 4 + ½ · 2 · 2.5 / 4) / 1.5 = (x / 2 + 5 / 8) / 1.5 = (4 x + 5) / 12.
    const { loss, gradient } = await hierarchicalContextLoss(
      Tensor.from(Float64Array.of(1, 2, 3, 4), [1, 1, 2, 2]),
      Tensor.from(new Float64Array(4), [1, 1, 2, 2]),
    );
    expectNear(loss, 85 / 12, ROUNDING, "loss");
    expectAllNear(valuesOf(gradient), [9 / 12, 13 / 12, 17 / 12, 21 / 12], ROUNDING, "gradient");
  });

  it("halves the weight at each pyramid level", async () => {
    // Stripes cancel out in cells that contain equally many of 1 and -1 and keep their magnitude of 1 in cells that
    // contain only one. On 8×8, cells are 2, 4 and 8 wide at the levels 4, 2 and 1.
    const weights = 1 + 1 / 2 + 1 / 4 + 1 / 8;
    expectNear(await lossOfStripes(8, 8, 1), 1 / weights, ROUNDING, "seen by no average");
    expectNear(await lossOfStripes(8, 8, 2), (1 + 1 / 2) / weights, ROUNDING, "seen at level 4");
    expectNear(await lossOfStripes(8, 8, 4), (1 + 1 / 2 + 1 / 4) / weights, ROUNDING, "seen at levels 4 and 2");
    expectNear(await lossOfStripes(8, 8, 8), 1, ROUNDING, "seen at every level");
  });

  // Only the whole map's term sees stripes one pixel wide, so the loss is 1 over the sum of weights.
  for (const [height, sum] of [[1, 1], [2, 1.5], [3, 1.75], [4, 1.75], [5, 1.875], [6, 1.875], [8, 1.875], [32,
    1.875]] as const) {
    it(`divides by ${sum} for maps ${height} high, skipping levels that are not smaller`, async () => {
      expectNear(await lossOfStripes(height, 8, 1), 1 / sum, ROUNDING, "loss");
    });
  }

  it("uses only the height if a map is not square", async () => {
    // Level 4 is skipped for 4×8, where level 2 has cells 4 wide; for 8×4 it is used and, like level 2 with cells 2
    // wide, sees the stripes unchanged.
    expectNear(await lossOfStripes(4, 8, 2), 1 / 1.75, ROUNDING, "4×8");
    expectNear(await lossOfStripes(8, 4, 2), (1 + 1 / 2 + 1 / 4) / 1.875, ROUNDING, "8×4");
  });

  it("is 0 for equal maps, with a gradient of 0", async () => {
    const map = sequenceTensor("map", [2, 3, 5, 4]);
    const { loss, gradient } = await hierarchicalContextLoss(map, map);
    expect(loss).to.equal(0);
    expect(valuesOf(gradient).every((value) => value === 0)).to.equal(true);
  });

  for (const shape of [[1, 1, 1, 1], [2, 3, 2, 5], [2, 2, 4, 4], [1, 2, 5, 3], [3, 2, 7, 9], [1, 1, 9, 1]] as const) {
    it(`agrees with the readable reference on [${shape.join(", ")}]`, async () => {
      const [student, teacher] = [sequenceTensor("student map", shape), sequenceTensor("teacher map", shape)];
      const { loss } = await hierarchicalContextLoss(student, teacher);
      expectNear(loss, referenceHcl(FeatureMap.of(student), FeatureMap.of(teacher)), ROUNDING, "loss");
    });
  }

  for (const shape of [[2, 2, 3, 4], [1, 2, 6, 5]] as const) {
    it(`has the gradient of finite differences on [${shape.join(", ")}]`, async () => {
      const student = FeatureMap.of(sequenceTensor("student map", shape));
      const teacher = FeatureMap.of(sequenceTensor("teacher map", shape));
      const { gradient } = await hierarchicalContextLoss(student.tensor(), teacher.tensor());
      for (const [i, slope] of valuesOf(gradient).entries()) {
        const moved = async (step: number): Promise<number> => {
          const values = student.values.slice();
          values[i]! += step;
          return lossOf(new FeatureMap(...student.shape, values), teacher);
        };
        // The loss is quadratic: central differences are exact up to the rounding of 1e-16 · loss / step.
        expectNear(await slopeOf(moved, 1e-3), slope, 1e-10, `gradient[${i}]`, 0.01);
      }
    });
  }

  for (const { shape, loss: want, gradient: wantGradient } of readHclGolden().cases) {
    it(`gives PyTorch's loss and gradient on [${shape.join(", ")}]`, async () => {
      const { loss, gradient } = await hierarchicalContextLoss(sequenceTensor("student map", shape),
        sequenceTensor("teacher map", shape));
      expectNear(loss, want, ROUNDING, "loss");
      expectSummary(gradient, wantGradient, ROUNDING, "gradient");
    });
  }

  it("keeps float32's precision in float32, and sums bfloat16 maps in float32", async () => {
    const shape = [4, 16, 8, 8];
    // Multiples of ¼ below 2 are exact in bfloat16, so the loss may differ only by the rounding of float32 sums.
    const coarse = (name: string): Float64Array => sequence(name, 4096).map((value) => Math.round(8 * value) / 4);
    const [student, teacher] = [coarse("student map"), coarse("teacher map")];
    const loss = async (dtype: "float64" | "float32" | "bfloat16"): Promise<number> =>
      (await hierarchicalContextLoss(Tensor.from(student, shape, { dtype }), Tensor.from(teacher, shape, { dtype })))
        .loss;
    const exact = await loss("float64");
    expectNear(await loss("float32"), exact, 1e-6, "float32");
    expectNear(await loss("bfloat16"), exact, 1e-6, "bfloat16");
  });
});
