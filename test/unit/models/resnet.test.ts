import { expect } from "chai";
import { createModel, Tensor, type Model, type StateDict } from "../../../lib/index.js";
import { goldenImages, sequenceTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { filledModel } from "../../support/networks.js";
import { largestOf, meanOf, rmsOf, valuesOf } from "../../support/numeric.js";

const isPool = (name: string): boolean => name === "pool";

describe("the feature specs of a CIFAR ResNet", () => {
  // Powers of two, odd sizes that strides round up, and maps that shrink to a single pixel.
  const SIZES = [[32, 32], [24, 40], [33, 47], [9, 6], [5, 3], [1, 7], [1, 1]] as const;

  for (const name of ["resnet8", "resnet8x4"]) {
    for (const [height, width] of SIZES) {
      it(`are the shapes of the real features of ${name} at ${height}×${width}`, async () => {
        using model = await createModel(name, { numClasses: 3 });
        const { features } = await model.forward(goldenImages(2, [height, width]), { features: true });
        const shapes = features.map(({ name, before, after }) => ({ name, before: before.shape, after: after.shape }));
        expect(model.featureSpecs(height, width).map(({ name, channels, height, width }) => {
          const shape = [2, channels, height, width];
          return { name, before: shape, after: shape };
        })).to.deep.equal(shapes);
      });
    }
  }

  it("name three stages and the pool, with the published channels", async () => {
    using narrow = await createModel("resnet20");
    expect(narrow.featureSpecs(32, 32)).to.deep.equal([
      { name: "layer1", channels: 16, height: 32, width: 32 },
      { name: "layer2", channels: 32, height: 16, width: 16 },
      { name: "layer3", channels: 64, height: 8, width: 8 },
      { name: "pool", channels: 64, height: 1, width: 1 },
    ]);
    using wide = await createModel("resnet32x4");
    expect(wide.featureSpecs(32, 32).map(({ channels }) => channels)).to.deep.equal([64, 128, 256, 256]);
  });

  it("refuse a size that is none", async () => {
    using model = await createModel("resnet8");
    for (const size of [0, -1, 1.5, NaN]) await failureOf("INVALID_ARGUMENT", () => model.featureSpecs(32, size));
  });
});

describe("the features of a CIFAR ResNet", () => {
  it("are kept before the activation as well as after it", async () => {
    using model = await filledModel("resnet14", 10);
    const { features } = await model.forward(goldenImages(2, [12, 10]), { features: true });
    for (const { name, before, after } of features.filter(({ name }) => !isPool(name))) {
      const raw = valuesOf(before);
      // An activation in place would have overwritten the negative values.
      expect(raw.some((value) => value < 0), `${name} before the activation`).to.equal(true);
      expect(valuesOf(after), `${name} after the activation`).to.deep.equal(raw.map((value) => Math.max(value, 0)));
    }
  });

  it("end with the mean over the last map, which has no activation of its own", async () => {
    using model = await filledModel("resnet8", 10);
    const { features } = await model.forward(goldenImages(1, [16, 16]), { features: true });
    const [deepest, pool] = features.slice(-2);
    expect(pool!.name).to.equal("pool");
    expect(valuesOf(pool!.before)).to.deep.equal(valuesOf(pool!.after));
    const map = valuesOf(deepest!.after);
    const means = Array.from({ length: 64 }, (_, channel) => meanOf(map.slice(channel * 16, channel * 16 + 16)));
    for (const [channel, value] of valuesOf(pool!.after).entries()) expect(value).to.be.closeTo(means[channel]!, 1e-14); // rounding of a 16-term sum
  });

  it("are left out unless asked for", async () => {
    using model = await createModel("resnet8");
    expect((await model.forward(goldenImages(1, [8, 8]))).features).to.deep.equal([]);
  });
});

describe("the mode of a forward pass", () => {
  async function statistics(model: Model): Promise<Record<string, number[]>> {
    const entries = Object.entries(await model.stateDict()).filter(([name]) => /running_|num_batches/.test(name));
    return Object.fromEntries(entries.map(([name, tensor]) => [name, valuesOf(tensor)]));
  }

  it("leaves running statistics alone in eval mode, which is the default", async () => {
    using model = await filledModel("resnet8", 10);
    const before = await statistics(model);
    await model.forward(goldenImages(2, [8, 8]));
    expect(await statistics(model)).to.deep.equal(before);
  });

  it("moves them by a tenth towards the batch's in train mode", async () => {
    using model = await createModel("resnet8", { numClasses: 4, dtype: "float64", seed: 3 });
    const before = await statistics(model);
    expect(before["bn1.running_mean"]).to.deep.equal(new Array(16).fill(0));
    const images = goldenImages(2, [8, 8]);
    await model.forward(images, { mode: "train" });
    const once = await statistics(model);
    await model.forward(images, { mode: "train" });
    const twice = await statistics(model);
    for (const [channel, value] of once["bn1.running_mean"]!.entries()) {
      expect(value).not.to.equal(0);
      // From m to 0.9 m + 0.1 b each time, starting from m = 0, the same batch mean b gives 0.1 b and then 0.19 b.
      expect(twice["bn1.running_mean"]![channel]! / value).to.be.closeTo(1.9, 1e-12); // a handful of roundings
    }
    for (const [name, values] of Object.entries(once)) if (name.endsWith("num_batches_tracked")) expect(values, name).to.deep.equal([1]);
  });
});

describe("the initialisation of a CIFAR ResNet", () => {
  const isConvolution = ([, { shape }]: [string, Tensor]): boolean => shape.length === 4;
  const same = (a: StateDict, b: StateDict): boolean =>
    Object.entries(a).every(([name, tensor]) => valuesOf(tensor).join() === valuesOf(b[name]!).join());

  it("draws convolutions from N(0, 2 / fan_out)", async () => {
    using model = await createModel("resnet20", { seed: 7 });
    const weights = Object.entries(await model.stateDict()).filter(isConvolution);
    expect(weights).to.have.length(21);
    for (const [name, tensor] of weights) {
      const [out, , height, width] = tensor.shape;
      const sigma = Math.sqrt(2 / (out! * height! * width!));
      const values = valuesOf(tensor);
      const count = values.length;
      // Five standard errors: of a mean, of a root mean square, and of the share within one sigma (0.6827 for a normal
      // distribution, 0.577 for a uniform one). The seed is fixed, so the draw either passes for good or not.
      expect(Math.abs(meanOf(values)), `${name}: mean`).to.be.below((5 * sigma) / Math.sqrt(count));
      expect(Math.abs(rmsOf(values) / sigma - 1), `${name}: spread`).to.be.below(5 / Math.sqrt(2 * count));
      const inside = values.filter((value) => Math.abs(value) < sigma).length / count;
      expect(Math.abs(inside - 0.6827), `${name}: share within one sigma`).to.be.below(5 * Math.sqrt((0.6827 * 0.3173) / count));
      if (count > 9000) expect(largestOf(values), `${name}: tail`).to.be.above(3 * sigma);
    }
  });

  it("starts batch normalization as the identity", async () => {
    using model = await createModel("resnet8x4", { seed: 1 });
    const START: Record<string, number> = { weight: 1, bias: 0, running_mean: 0, running_var: 1, num_batches_tracked: 0 };
    const entries = Object.entries(await model.stateDict()).filter(([name]) => /bn\d\.|downsample\.1\./.test(name));
    expect(entries).to.have.length((1 + 3 * 2 + 3) * 5);
    for (const [name, tensor] of entries) {
      const want = START[name.slice(name.lastIndexOf(".") + 1)];
      expect(valuesOf(tensor).every((value) => value === want), name).to.equal(true);
    }
  });

  it("draws the classifier from ±1/√fan_in", async () => {
    using model = await createModel("resnet8", { numClasses: 100, seed: 5 });
    const state = await model.stateDict();
    const bound = 1 / Math.sqrt(64);
    for (const [name, count] of [["fc.weight", 6400], ["fc.bias", 100]] as const) {
      const values = valuesOf(state[name]!);
      expect(values).to.have.length(count);
      const largest = largestOf(values);
      expect(largest, name).to.be.at.most(bound);
      expect(largest, name).to.be.above(0.95 * bound);
      // A uniform value's root mean square is bound/√3; a fifth of it is more than five standard errors for 100 values.
      expect(rmsOf(values), name).to.be.closeTo(bound / Math.sqrt(3), (0.2 * bound) / Math.sqrt(3));
    }
  });

  it("is decided by the seed alone", async () => {
    const draw = async (seed: number): Promise<StateDict> => (await createModel("resnet8", { numClasses: 5, seed })).stateDict();
    const first = await draw(11);
    expect(same(first, await draw(11))).to.equal(true);
    const other = await draw(12);
    for (const [name, tensor] of Object.entries(first)) {
      if (/^(conv|fc)|conv\d\.weight$|downsample\.0/.test(name)) expect(valuesOf(tensor), name).not.to.deep.equal(valuesOf(other[name]!));
    }
  });

  it("draws the same network in float32 and float64", async () => {
    const draw = async (dtype: "float32" | "float64"): Promise<StateDict> => (await createModel("resnet8", { dtype, seed: 2 })).stateDict();
    expect(same(await draw("float32"), await draw("float64"))).to.equal(true);
  });

  it("takes seeds of more than 32 bits apart", async () => {
    const draw = async (seed: number): Promise<StateDict> => (await createModel("resnet8", { seed })).stateDict();
    expect(same(await draw(1), await draw(2 ** 32 + 1))).to.equal(false);
  });
});

describe("the input of a network", () => {
  it("must be [N, 3, H, W]", async () => {
    using model = await createModel("resnet8");
    for (const shape of [[3, 8, 8], [1, 1, 8, 8], [1, 4, 8, 8], [0, 3, 8, 8], [1, 3, 0, 8], [1, 3, 8, 8, 1]]) {
      const error = await failureOf("SHAPE_MISMATCH", () => model.forward(sequenceTensor("input", shape)));
      expect(error.message).to.equal(`expected [N, 3, H, W] for images, got [${shape.join(", ")}]`);
    }
  });

  it("is converted to the network's type", async () => {
    using model = await createModel("resnet8", { numClasses: 3, seed: 1 });
    const pixels = Float32Array.from({ length: 3 * 64 }, (_, i) => Math.fround(Math.sin(i)));
    const narrow = await model.forward(Tensor.from(pixels, [1, 3, 8, 8]));
    const wide = await model.forward(Tensor.from(Float64Array.from(pixels), [1, 3, 8, 8]));
    expect(valuesOf(wide.logits)).to.deep.equal(valuesOf(narrow.logits));
    expect(wide.logits.dtype).to.equal("float32");
  });
});
