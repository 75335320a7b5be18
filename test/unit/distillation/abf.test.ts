import { expect } from "chai";
import { createDistiller, createModel, type StateDict } from "../../../lib/index.js";
import { goldenImages } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { filledDistiller, setEntries } from "../../support/networks.js";
import { expectAllNear, largestOf, rmsOf, valuesOf } from "../../support/numeric.js";

describe("the attention based fusion", () => {
  it("gives the map computed by hand", async () => {
    // One channel inside. Zero weights in every first convolution leave only its normalization's shift, which makes
    // constant maps; zero weights in the attention leave the sigmoid of its biases: σ(0) = ½, σ(ln 3) = ¾.
    const distiller = await filledDistiller({ teacher: "resnet8", student: "resnet8", method: { midChannels: 1 } });
    const ln3 = Math.log(3);
    await setEntries(distiller, {
      // pool: 4
      "abfs.0.conv1.0.weight": 0,
      "abfs.0.conv1.1.bias": 4,
      // layer3: ½ · 2 + ¾ · 4 = 4
      "abfs.1.conv1.0.weight": 0,
      "abfs.1.conv1.1.bias": 2,
      "abfs.1.att_conv.0.weight": 0,
      "abfs.1.att_conv.0.bias": [0, ln3],
      // layer2: ¾ · -8 + ½ · 4 = -4
      "abfs.2.conv1.0.weight": 0,
      "abfs.2.conv1.1.bias": -8,
      "abfs.2.att_conv.0.weight": 0,
      "abfs.2.att_conv.0.bias": [ln3, 0],
      "abfs.1.conv2.0.weight": 0.001,
      "abfs.1.conv2.1.weight": 1,
      "abfs.1.conv2.1.bias": 0.25,
      "abfs.2.conv2.0.weight": 0.001,
      "abfs.2.conv2.1.weight": 2,
      "abfs.2.conv2.1.bias": 0.5,
    });
    const { reviewOutputs } = await distiller.forward(goldenImages(2, [8, 8]));
    const [, layer2, layer3] = reviewOutputs;

    // layer3 is 2×2: each output of the 3×3 convolution covers 4 pixels and 5 of the padding. All are equal, so only
    // the shift remains.
    expect(layer3!.shape).to.deep.equal([2, 64, 2, 2]);
    // 4 · 0.004 - 4 · 0.004 leaves at most one rounding, which the normalization multiplies by 1/√1e-5.
    for (const value of valuesOf(layer3!)) expect(value).to.be.closeTo(0.25, 1e-13);

    // layer2 is 4×4: corners cover 4 pixels, edges 6, the inside 9; there are 4, 8 and 4 such pixels. Mean 100/16 =
    // 6.25; variance (4 · 2.25² + 8 · 0.25² + 4 · 2.75²) / 16 = 51/16. A pixel contributes -4 · 0.001 = -0.004:
    // variance 1.6e-5 · 51/16 = 5.1e-5, to which batch normalization adds 1e-5. So 2 · -0.004 (k - 6.25) / √6.1e-5 +
    // 0.5 for an output that covers k pixels.
    expect(layer2!.shape).to.deep.equal([2, 32, 4, 4]);
    const [corner, edge, inside] = [4, 6, 9].map((seen) => (2 * -0.004 * (seen - 6.25)) / Math.sqrt(6.1e-5) + 0.5);
    const row = (outer: number, inner: number): number[] => [outer, inner, inner, outer];
    const map = [row(corner!, edge!), row(edge!, inside!), row(edge!, inside!), row(corner!, edge!)].flat();
    const want = Array.from({ length: 2 * 32 }, () => map).flat();
    expectAllNear(valuesOf(layer2!), want, 1e-12, "layer2"); // a dozen roundings
  });

  it("adds instead of attending with fusion by sum", async () => {
    // As above, without attention: layer3 passes on 2 + 4 = 6, layer2 gets -8 + 6 = -2, of which a pixel contributes
    // -0.002: a quarter of the variance, 1.6e-5 / 4 · 51/16 = 1.275e-5, to which 1e-5 is added.
    const distiller = await filledDistiller({ method: { midChannels: 1, fusion: "sum" } });
    await setEntries(distiller, {
      "abfs.0.conv1.0.weight": 0,
      "abfs.0.conv1.1.bias": 4,
      "abfs.1.conv1.0.weight": 0,
      "abfs.1.conv1.1.bias": 2,
      "abfs.2.conv1.0.weight": 0,
      "abfs.2.conv1.1.bias": -8,
      "abfs.2.conv2.0.weight": 0.001,
      "abfs.2.conv2.1.weight": 2,
      "abfs.2.conv2.1.bias": 0.5,
    });
    expect(Object.keys(await distiller.stateDict()).filter((name) => name.includes("att_conv"))).to.deep.equal([]);
    const { reviewOutputs } = await distiller.forward(goldenImages(2, [8, 8]));
    const [corner, edge, inside] = [4, 6, 9].map((seen) => (2 * -0.002 * (seen - 6.25)) / Math.sqrt(2.275e-5) + 0.5);
    const row = (outer: number, inner: number): number[] => [outer, inner, inner, outer];
    const map = [row(corner!, edge!), row(edge!, inside!), row(edge!, inside!), row(corner!, edge!)].flat();
    expectAllNear(valuesOf(reviewOutputs[1]!), Array.from({ length: 2 * 32 }, () => map).flat(), 1e-12, "layer2"); // a dozen roundings
  });

  it("initialises convolutions from ±√(3 / fan_in), the attention from ±1/√fan_in and normalization as the identity", async () => {
    const teacher = await createModel("resnet8x4", { seed: 1 });
    const student = await createModel("resnet8x4", { seed: 2 });
    const distiller = await createDistiller({ teacher, student, seed: 3 });
    const state = Object.entries(await distiller.stateDict()).filter(([name]) => name.startsWith("abfs."));
    const START: Record<string, number> = { weight: 1, bias: 0, running_mean: 0, running_var: 1,
      num_batches_tracked: 0 };
    for (const [name, tensor] of state) {
      const values = valuesOf(tensor);
      if (/conv\d\.1\./.test(name)) {
        expect(new Set(values), name).to.deep.equal(new Set([START[name.slice(name.lastIndexOf(".") + 1)]]));
        continue;
      }
      const attention = name.includes("att_conv");
      // The attention's bias has its weight's bound.
      const fanIn = attention ? 2 * 256 : values.length / tensor.shape[0]!;
      const bound = attention ? 1 / Math.sqrt(fanIn) : Math.sqrt(3 / fanIn);
      const largest = largestOf(values);
      expect(largest, name).to.be.at.most(bound * (1 + 1e-7)); // float32 rounds the bound itself
      if (values.length < 100) continue;
      expect(largest, name).to.be.above(0.95 * bound);
      // Uniform; at least 1024 values, so that 0.1 is more than five standard errors.
      expect((rmsOf(values) * Math.sqrt(3)) / bound, name).to.be.closeTo(1, 0.1);
    }
  });

  it("depends only on its seed", async () => {
    const teacher = await createModel("resnet8", { seed: 1 });
    const student = await createModel("resnet8", { seed: 2 });
    const draw = async (seed: number): Promise<string> => {
      using distiller = await createDistiller({ teacher, student, seed });
      return JSON.stringify(
        Object.entries(await distiller.stateDict()).map(([name, tensor]) => [name, valuesOf(tensor)]),
      );
    };
    const first = await draw(1);
    expect(await draw(1)).to.equal(first);
    expect(await draw(2)).not.to.equal(first);
  });

  it("names and shapes its modules as published, the deepest stage first", async () => {
    const distiller = await filledDistiller({ teacher: "resnet8x4", student: "resnet8" });
    const shapes = (state: StateDict, prefix: string): Record<string, readonly number[]> => {
      const entries = Object.entries(state).filter(([name]) => name.startsWith(prefix));
      return Object.fromEntries(entries.map(([name, { shape }]) => [name.slice(prefix.length), shape]));
    };
    const state = await distiller.stateDict();
    const convNorm = (name: string, weight: readonly number[]): Record<string, readonly number[]> => ({
      [`${name}.0.weight`]: weight,
      [`${name}.1.weight`]: [weight[0]!],
      [`${name}.1.bias`]: [weight[0]!],
      [`${name}.1.running_mean`]: [weight[0]!],
      [`${name}.1.running_var`]: [weight[0]!],
      [`${name}.1.num_batches_tracked`]: [],
    });
    const attention = { "att_conv.0.weight": [2, 128, 1, 1], "att_conv.0.bias": [2] };
    expect(shapes(state, "abfs.0.")).to.deep.equal({ ...convNorm("conv1", [64, 64, 1, 1]),
      ...convNorm("conv2", [256, 64, 3, 3]) });
    expect(shapes(state, "abfs.1.")).to.deep.equal({ ...convNorm("conv1", [64, 64, 1, 1]),
      ...convNorm("conv2", [256, 64, 3, 3]), ...attention });
    expect(shapes(state, "abfs.2.")).to.deep.equal({ ...convNorm("conv1", [64, 32, 1, 1]),
      ...convNorm("conv2", [128, 64, 3, 3]), ...attention });
    expect(shapes(state, "abfs.3.")).to.deep.equal({ ...convNorm("conv1", [64, 16, 1, 1]),
      ...convNorm("conv2", [64, 64, 3, 3]), ...attention });
    expect(Object.keys(shapes(state, "abfs.4."))).to.deep.equal([]);
  });

  it("explains why a batch of one image cannot be normalized", async () => {
    const distiller = await filledDistiller();
    const { message } = await failureOf("BATCH_TOO_SMALL", () => distiller.forward(goldenImages(1, [8, 8])));
    expect(message).to.match(
      /^invalid batch: expected at least 2 images for training with a pooled stage, received 1\. Batch normalization/,
    );
  });
});
