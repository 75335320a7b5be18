import { expect } from "chai";
import { hierarchicalContextLoss, Tensor } from "../../lib/index.js";
import { sequenceTensor } from "../support/deterministic.js";
import { failureOf } from "../support/errors.js";

const map = (...shape: number[]): Tensor => sequenceTensor("map", shape);

describe("hierarchicalContextLoss", () => {
  it("gives a number and a gradient in the shape and type of the student's map", async () => {
    for (const dtype of ["float64", "float32", "bfloat16"] as const) {
      const values = new Float64Array(24).fill(1);
      const student = Tensor.from(values, [1, 2, 3, 4], { dtype });
      const { loss, gradient } = await hierarchicalContextLoss(student,
        Tensor.from(new Float64Array(24), [1, 2, 3, 4], { dtype }));
      expect(loss, dtype).to.be.closeTo(1, 1e-6); // float32's rounding
      expect(gradient.shape).to.deep.equal([1, 2, 3, 4]);
      expect(gradient.dtype).to.equal(dtype);
    }
  });

  it("leaves its arguments as they were", async () => {
    const [student, teacher] = [map(1, 2, 4, 4), map(1, 2, 4, 4)];
    const before = student.toTypedArray();
    await hierarchicalContextLoss(student, teacher);
    expect(student.toTypedArray()).to.deep.equal(before);
    expect(teacher.toTypedArray()).to.deep.equal(before);
  });

  it("can run many times at once", async () => {
    const teacher = map(2, 2, 5, 5);
    const losses = await Promise.all(
      [1, 2, 3, 4].map(async (scale) =>
        (await hierarchicalContextLoss(sequenceTensor("map", [2, 2, 5, 5], 4 + scale), teacher)).loss
      ),
    );
    // The difference grows with the scale, the loss with its square.
    expect(losses.map((loss) => loss / losses[0]!).map((ratio) => Math.round(ratio * 1e9) / 1e9)).to.deep.equal([1, 4,
      9, 16]);
  });

  for (const [student, teacher] of [
    [[1, 2, 4, 4], [1, 2, 4, 5]],
    [[1, 2, 4, 4], [1, 3, 4, 4]],
    [[1, 2, 4, 4], [2, 2, 4, 4]],
    [[2, 4, 4], [2, 4, 4]],
    [[], []],
  ] as const) {
    it(`refuses [${student.join(", ")}] against [${teacher.join(", ")}]`, async () => {
      const { message } = await failureOf("SHAPE_MISMATCH", () =>
        hierarchicalContextLoss(map(...student), map(...teacher)));
      expect(message).to.equal(
        "invalid maps for the hierarchical context loss: expected two with equal shape [N, C, H, W], "
          + `received [${student.join(", ")}] and [${teacher.join(", ")}].`,
      );
    });
  }

  it("refuses a map that was disposed", async () => {
    const [student, teacher] = [map(1, 1, 2, 2), map(1, 1, 2, 2)];
    teacher.dispose();
    await failureOf("DISPOSED", () => hierarchicalContextLoss(student, teacher));
  });

  it("refuses integers, which have no gradient", async () => {
    const integers = Tensor.from(Int32Array.of(1, 2, 3, 4), [1, 1, 2, 2]);
    await failureOf("DTYPE_MISMATCH", () => hierarchicalContextLoss(integers, integers));
  });

  it("refuses maps without elements, which have no mean", async () => {
    await failureOf("SHAPE_MISMATCH", () => hierarchicalContextLoss(map(0, 1, 2, 2), map(0, 1, 2, 2)));
  });
});
