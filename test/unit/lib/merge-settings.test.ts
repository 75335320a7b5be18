import { expect } from "chai";
import { mergeSettings } from "../../../lib/config/merge-settings.js";

describe("mergeSettings", () => {
  it("lets upper layers win, key by key", () => {
    expect(mergeSettings({ a: 1, inner: { b: 2, c: 3 } }, { inner: { c: 4 }, d: 5 })).to.deep.equal({ a: 1, inner: { b: 2, c: 4 }, d: 5 });
  });

  it("drops what belongs to another kind of thing", () => {
    expect(mergeSettings({ schedule: { kind: "multi-step", factor: 0.1 } }, { schedule: { kind: "cosine" } })).to.deep.equal({ schedule: { kind: "cosine" } });
    expect(mergeSettings({ model: { name: "resnet20", weights: "file" } }, { model: { name: "resnet32" } })).to.deep.equal({ model: { name: "resnet32" } });
  });

  it("keeps what belongs to the same kind, or to one that is not named", () => {
    expect(mergeSettings({ schedule: { kind: "cosine", warmupEpochs: 1 } }, { schedule: { kind: "cosine", finalScale: 0.1 } }, { schedule: { finalScale: 0 } }))
      .to.deep.equal({ schedule: { kind: "cosine", warmupEpochs: 1, finalScale: 0 } });
  });

  it("replaces arrays whole, and takes undefined for absent but null for a value", () => {
    expect(mergeSettings({ list: [1, 2, 3], a: 1, b: 2 }, { list: [4], a: undefined, b: null })).to.deep.equal({ list: [4], a: 1, b: null });
  });

  it("changes none of its layers", () => {
    const lower = Object.freeze({ inner: Object.freeze({ a: 1 }) });
    expect(mergeSettings(lower, { inner: { b: 2 } })).to.deep.equal({ inner: { a: 1, b: 2 } });
    expect(lower).to.deep.equal({ inner: { a: 1 } });
  });
});
