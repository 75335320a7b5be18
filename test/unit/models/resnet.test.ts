import { expect } from "chai";
import { createModel, Tensor, type Model, type StateDict } from "../../../lib/index.js";
import { goldenImages, sequenceTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { expectFreshNorms, expectNormal, expectPool, expectRelu, expectSpecsOfRealFeatures, expectUniform,
  fanOutDeviation, featuresOf, ODD_SIZES } from "../../support/network-checks.js";
import { filledModel } from "../../support/networks.js";
import { valuesOf } from "../../support/numeric.js";

describe("the feature specs of a ResNet", () => {
  const stagesOf = async (name: string, size: number): Promise<string[]> => {
    using model = await createModel(name);
    return model.featureSpecs(size, size).map(({ name, channels, height, width }) =>
      `${name} ${channels}@${height}×${width}`
    );
  };

  for (const name of ["resnet8", "resnet18-cifar", "resnet18"]) {
    for (const size of ODD_SIZES) {
      it(`are the shapes of the real features of ${name} at ${size.join("×")}`, () =>
        expectSpecsOfRealFeatures(name, size));
    }
  }

  it("name three stages and the pool of the smaller CIFAR networks, with the published channels", async () => {
    expect(await stagesOf("resnet20", 32)).to.deep.equal(["layer1 16@32×32", "layer2 32@16×16", "layer3 64@8×8",
      "pool 64@1×1"]);
    expect(await stagesOf("resnet32x4", 32)).to.deep.equal(["layer1 64@32×32", "layer2 128@16×16", "layer3 256@8×8",
      "pool 256@1×1"]);
  });

  it("name four stages and the pool of the larger ones", async () => {
    expect(await stagesOf("resnet18-cifar", 32)).to.deep.equal(
      ["layer1 64@32×32", "layer2 128@16×16", "layer3 256@8×8", "layer4 512@4×4", "pool 512@1×1"],
    );
    expect(await stagesOf("resnet50-cifar", 32)).to.deep.equal(
      ["layer1 256@32×32", "layer2 512@16×16", "layer3 1024@8×8", "layer4 2048@4×4", "pool 2048@1×1"],
    );
  });

  it("start at a quarter of the size on ImageNet", async () => {
    expect(await stagesOf("resnet34", 224)).to.deep.equal(
      ["layer1 64@56×56", "layer2 128@28×28", "layer3 256@14×14", "layer4 512@7×7", "pool 512@1×1"],
    );
    expect(await stagesOf("resnet50", 224)).to.deep.equal(
      ["layer1 256@56×56", "layer2 512@28×28", "layer3 1024@14×14", "layer4 2048@7×7", "pool 2048@1×1"],
    );
  });

  it("reject an invalid size", async () => {
    using model = await createModel("resnet8");
    for (const size of [0, -1, 1.5, NaN]) await failureOf("INVALID_ARGUMENT", () => model.featureSpecs(32, size));
  });
});

describe("the features of a ResNet", () => {
  for (const [name, count] of [["resnet14", 3], ["resnet50-cifar", 4], ["resnet18", 4]] as const) {
    it(`are available before and after the activation in ${name}`, async () => {
      const { stages } = await featuresOf(name, [12, 10]);
      expect(stages).to.have.length(count);
      stages.forEach(expectRelu);
    });
  }

  it("end with the mean over the last map, which has no activation of its own", async () => {
    const { stages, pool } = await featuresOf("resnet8", [16, 16]);
    expectPool(pool, stages.at(-1)!);
  });

  it("are omitted unless requested", async () => {
    using model = await createModel("resnet8");
    expect((await model.forward(goldenImages(1, [8, 8]))).features).to.deep.equal([]);
  });
});

describe("the mode of a forward pass", () => {
  async function statistics(model: Model): Promise<Record<string, number[]>> {
    const entries = Object.entries(await model.stateDict()).filter(([name]) => /running_|num_batches/.test(name));
    return Object.fromEntries(entries.map(([name, tensor]) => [name, valuesOf(tensor)]));
  }

  it("leaves running statistics unchanged in eval mode, the default", async () => {
    using model = await filledModel("resnet8", 10);
    const before = await statistics(model);
    await model.forward(goldenImages(2, [8, 8]));
    expect(await statistics(model)).to.deep.equal(before);
  });

  it("updates them by a tenth towards the batch's in train mode", async () => {
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
    for (const [name, values] of Object.entries(once))
      if (name.endsWith("num_batches_tracked")) expect(values, name).to.deep.equal([1]);
  });
});

describe("the initialisation of a ResNet", () => {
  const isConvolution = ([, { shape }]: [string, Tensor]): boolean => shape.length === 4;
  const same = (a: StateDict, b: StateDict): boolean =>
    Object.entries(a).every(([name, tensor]) => valuesOf(tensor).join() === valuesOf(b[name]!).join());

  for (const [name, convolutions] of [["resnet20", 21], ["resnet18", 20]] as const) {
    it(`draws the convolutions of ${name} from N(0, 2 / fan_out)`, async () => {
      using model = await createModel(name, { seed: 7 });
      const weights = Object.entries(await model.stateDict()).filter(isConvolution);
      expect(weights).to.have.length(convolutions);
      for (const [name, tensor] of weights) expectNormal(valuesOf(tensor), fanOutDeviation(tensor.shape), name);
    });
  }

  it("initialises batch normalization to the identity, also at the end of a block", async () => {
    expect(await expectFreshNorms("resnet8x4")).to.equal(1 + 3 * 2 + 3);
    expect(await expectFreshNorms("resnet50-cifar")).to.equal(1 + 16 * 3 + 4);
  });

  it("draws the classifier from ±1/√fan_in", async () => {
    using model = await createModel("resnet8", { numClasses: 100, seed: 5 });
    const state = await model.stateDict();
    const bound = 1 / Math.sqrt(64);
    for (const [name, count] of [["fc.weight", 6400], ["fc.bias", 100]] as const) {
      const values = valuesOf(state[name]!);
      expect(values).to.have.length(count);
      expectUniform(values, bound, name);
    }
  });

  it("depends only on the seed", async () => {
    const draw = async (seed: number): Promise<StateDict> =>
      (await createModel("resnet8", { numClasses: 5, seed })).stateDict();
    const first = await draw(11);
    expect(same(first, await draw(11))).to.equal(true);
    const other = await draw(12);
    for (const [name, tensor] of Object.entries(first)) {
      if (/^(conv|fc)|conv\d\.weight$|downsample\.0/.test(name))
        expect(valuesOf(tensor), name).not.to.deep.equal(valuesOf(other[name]!));
    }
  });

  it("draws the same network in float32 and float64", async () => {
    const draw = async (dtype: "float32" | "float64"): Promise<StateDict> =>
      (await createModel("resnet8", { dtype, seed: 2 })).stateDict();
    expect(same(await draw("float32"), await draw("float64"))).to.equal(true);
  });

  it("distinguishes seeds of more than 32 bits", async () => {
    const draw = async (seed: number): Promise<StateDict> => (await createModel("resnet8", { seed })).stateDict();
    expect(same(await draw(1), await draw(2 ** 32 + 1))).to.equal(false);
  });
});

describe("the input of a network", () => {
  it("must be [N, 3, H, W]", async () => {
    using model = await createModel("resnet8");
    for (const shape of [[3, 8, 8], [1, 1, 8, 8], [1, 4, 8, 8], [1, 3, 0, 8], [1, 3, 8, 8, 1]]) {
      const error = await failureOf("SHAPE_MISMATCH", () => model.forward(sequenceTensor("input", shape)));
      expect(error.message).to.equal(`invalid images: expected shape [N, 3, H, W], received [${shape.join(", ")}].`);
    }
    const { message } = await failureOf("SHAPE_MISMATCH", () => model.forward(sequenceTensor("input", [0, 3, 8, 8])));
    expect(message).to.include("at least one");
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
