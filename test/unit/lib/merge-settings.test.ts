import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { mergeSettings } from "../../../lib/config/merge-settings.js";

describe("mergeSettings", () => {
  it("lets upper layers override lower ones, key by key", () => {
    expect(mergeSettings({ a: 1, inner: { b: 2, c: 3 } }, { inner: { c: 4 }, d: 5 })).to.deep.equal({ a: 1,
      inner: { b: 2, c: 4 }, d: 5 });
  });

  it("drops settings of another kind or name", () => {
    expect(mergeSettings({ schedule: { kind: "multi-step", factor: 0.1 } }, { schedule: { kind: "cosine" } })).to.deep
      .equal({ schedule: { kind: "cosine" } });
    expect(mergeSettings({ model: { name: "resnet20", weights: "file" } }, { model: { name: "resnet32" } })).to.deep
      .equal({ model: { name: "resnet32" } });
  });

  it("keeps settings of the same or an omitted kind", () => {
    expect(
      mergeSettings({ schedule: { kind: "cosine", warmupEpochs: 1 } }, {
        schedule: { kind: "cosine", finalScale: 0.1 },
      }, { schedule: { finalScale: 0 } }),
    )
      .to.deep.equal({ schedule: { kind: "cosine", warmupEpochs: 1, finalScale: 0 } });
  });

  it("replaces arrays as a whole, and treats undefined as absent but null as a value", () => {
    expect(mergeSettings({ list: [1, 2, 3], a: 1, b: 2 }, { list: [4], a: undefined, b: null })).to.deep.equal({
      list: [4],
      a: 1,
      b: null,
    });
  });

  it("drops the epochs below a layer that ends a training by steps alone", () => {
    const training = (...layers: object[]): object =>
      mergeSettings({ training: { epochs: 240, batchSize: 8 } }, ...layers.map((layer) => ({ training: layer })));
    expect(training({ maxSteps: 90 })).to.deep.equal({ training: { epochs: null, maxSteps: 90, batchSize: 8 } });
    expect(training({ maxSteps: 90, epochs: undefined })).to.deep.equal(training({ maxSteps: 90 }));
    expect(training({ maxSteps: 90, epochs: 2 })).to.deep.equal({
      training: { epochs: 2, maxSteps: 90, batchSize: 8 },
    });
    expect(training({ maxSteps: 90 }, { epochs: 3 })).to.deep.equal({
      training: { epochs: 3, maxSteps: 90, batchSize: 8 },
    });
    expect(training({ maxSteps: null })).to.deep.equal({ training: { epochs: 240, maxSteps: null, batchSize: 8 } });
  });

  it("merges objects of another realm like this one's, and replaces objects of classes", () => {
    const inner = runInNewContext("({ b: 2 })") as object;
    expect(mergeSettings({ inner: { a: 1 } }, { inner })).to.deep.equal({ inner: { a: 1, b: 2 } });
    for (const object of [new Date(0), new Map(), [1]])
      expect(mergeSettings({ inner: { a: 1 } }, { inner: object })["inner"]).to.equal(object);
  });

  it("does not modify its layers", () => {
    const lower = Object.freeze({ inner: Object.freeze({ a: 1 }) });
    expect(mergeSettings(lower, { inner: { b: 2 } })).to.deep.equal({ inner: { a: 1, b: 2 } });
    expect(lower).to.deep.equal({ inner: { a: 1 } });
  });
});
