import { expect } from "chai";
import { createModel, Tensor, type Model, type StateDict } from "../../../lib/index.js";
import { filled } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { valuesOf } from "../../support/numeric.js";
import { AS_STORED } from "../../support/load-report.js";

const plain = async (model: Model): Promise<Record<string, number[]>> =>
  Object.fromEntries(Object.entries(await model.stateDict()).map(([name, tensor]) => [name, valuesOf(tensor)]));

function without(state: StateDict, names: readonly string[]): StateDict {
  return Object.fromEntries(Object.entries(state).filter(([name]) => !names.includes(name)));
}

describe("loadStateDict", () => {
  let model: Model;
  let full: StateDict;

  beforeEach(async () => {
    model = await createModel("resnet8", { numClasses: 4, seed: 1 });
    full = filled(await model.stateDict());
  });
  afterEach(() => {
    model.dispose();
  });

  async function expectRefused(state: StateDict, strict: boolean): Promise<string> {
    const before = await plain(model);
    const { message } = await failureOf("STATE_DICT_MISMATCH", () => model.loadStateDict(state, { strict }));
    expect(await plain(model), "a rejected state dict changes nothing").to.deep.equal(before);
    return message;
  }

  it("replaces every entry, converted to the network's type", async () => {
    expect(full["conv1.weight"]!.dtype).to.equal("float64");
    expect(await model.loadStateDict(full)).to.deep.equal({ ...AS_STORED, matched: Object.keys(full).length,
      missing: [], unexpected: [], mismatched: [] });
    const state = await model.stateDict();
    for (const [name, tensor] of Object.entries(full)) {
      const counter = name.endsWith("num_batches_tracked");
      expect(state[name]!.dtype, name).to.equal(counter ? "int64" : "float32");
      expect(valuesOf(state[name]!), name).to.deep.equal(valuesOf(tensor).map(Math.fround));
    }
  });

  it("copies: a state dict is independent of later changes to the network", async () => {
    const before = await model.stateDict();
    const kept = valuesOf(before["fc.bias"]!);
    await model.loadStateDict(full);
    expect(valuesOf(before["fc.bias"]!)).to.deep.equal(kept);
    expect(valuesOf((await model.stateDict())["fc.bias"]!)).not.to.deep.equal(kept);
  });

  it("names missing entries", async () => {
    const message = await expectRefused(without(full, ["bn1.bias", "fc.bias"]), true);
    expect(message).to.contain("missing: bn1.bias, fc.bias").and.not.to.contain("another network");
    expect(message).not.to.contain("unexpected:");
  });

  it("names unexpected entries", async () => {
    const extra = { ...full, "fc2.weight": Tensor.from([1], [1]) };
    expect(await expectRefused(extra, true)).to.contain("unexpected: fc2.weight. Leave the others aside with");
  });

  it("names the first three of many differences and counts the rest", async () => {
    using deeper = await createModel("resnet14", { numClasses: 4 });
    const message = await expectRefused(await deeper.stateDict(), true);
    const names = ["layer1.1.conv1.weight", "layer1.1.bn1.weight", "layer1.1.bn1.bias"];
    expect(message).to.contain(`unexpected: ${names.join(", ")}, and 33 more`); // 3 blocks of 12 entries
    expect(message).to.contain("The weights may belong to another network");
  });

  it("names the call of PyTorch that turns stored parts into a weight", async () => {
    const { "conv1.weight": weight, ...others } = full;
    const stored: readonly (readonly [entries: readonly string[], call: string])[] = [
      [["conv1.weight_orig", "conv1.weight_mask"], 'torch.nn.utils.prune.remove(module, "weight")'],
      [["conv1.weight_g", "conv1.weight_v"], "torch.nn.utils.remove_weight_norm(module)"],
      [["conv1.weight_orig", "conv1.weight_u", "conv1.weight_v"], "torch.nn.utils.remove_spectral_norm(module)"],
      [["conv1.parametrizations.weight.original0", "conv1.parametrizations.weight.original1"],
        'torch.nn.utils.parametrize.remove_parametrizations(module, "weight")'],
    ];
    for (const [entries, call] of stored) {
      const parts = Object.fromEntries(entries.map((name) => [name, weight!]));
      expect(await expectRefused({ ...others, ...parts }, true)).to.contain(`call ${call} for each`);
    }
  });

  it("names entries with different shapes", async () => {
    using other = await createModel("resnet8", { numClasses: 10 });
    const message = await expectRefused(await other.stateDict(), true);
    expect(message).to.contain(
      "other shapes: fc.weight (expected [4, 64], received [10, 64]), fc.bias (expected [4], received [10])",
    );
  });

  it("skips and reports them when not strict", async () => {
    const before = await plain(model);
    using other = await createModel("resnet8", { numClasses: 10 });
    expect(await model.loadStateDict(await other.stateDict(), { strict: false })).to.deep.equal({
      ...AS_STORED,
      matched: Object.keys(full).length - 2,
      missing: [],
      unexpected: [],
      mismatched: [{ name: "fc.weight", expected: [4, 64], got: [10, 64] }, { name: "fc.bias", expected: [4],
        got: [10] }],
    });
    const after = await plain(model);
    expect(after["fc.weight"]).to.deep.equal(before["fc.weight"]);
    expect(after["conv1.weight"]).to.deep.equal(valuesOf((await other.stateDict())["conv1.weight"]!));
  });

  it("does not accept an equal number of elements as an equal shape", async () => {
    const { shape } = full["fc.weight"]!;
    const turned = { ...full, "fc.weight": Tensor.from(valuesOf(full["fc.weight"]!), [...shape].reverse()) };
    expect(await expectRefused(turned, true)).to.contain("fc.weight (expected [4, 64], received [64, 4])");
  });

  it("loads the available entries and reports the rest when not strict", async () => {
    const before = await plain(model);
    const partial = { ...without(full, ["fc.weight", "fc.bias"]), head: Tensor.from([1], [1]) };
    expect(await model.loadStateDict(partial, { strict: false })).to.deep.equal({
      ...AS_STORED,
      matched: Object.keys(full).length - 2,
      missing: ["fc.weight", "fc.bias"],
      unexpected: ["head"],
      mismatched: [],
    });
    const after = await plain(model);
    expect(after["fc.weight"]).to.deep.equal(before["fc.weight"]);
    expect(after["conv1.weight"]).to.deep.equal(valuesOf(full["conv1.weight"]!).map(Math.fround));
  });

  it("reports everything as missing from an empty state dict", async () => {
    const { matched, missing, unexpected } = await model.loadStateDict({}, { strict: false });
    expect(matched).to.equal(0);
    expect(missing).to.deep.equal(Object.keys(full));
    expect(unexpected).to.deep.equal([]);
    await expectRefused({}, true);
  });

  it("refuses weights of which nothing matches, even when not strict", async () => {
    const renamed = Object.fromEntries(Object.entries(full).map(([name, tensor]) => [`net.${name}`, tensor]));
    expect(await expectRefused(renamed, false)).to.contain("received only others: missing: conv1.weight, ").and
      .to.contain("unexpected: net.conv1.weight, ");
    // Equal names, and each of another shape.
    expect(await expectRefused({ "fc.bias": Tensor.from([1], [1]) }, false)).to.contain("fc.bias (expected [4]");
  });

  it("rejects entries that are not tensors, and disposed ones", async () => {
    const numbers = { ...full, "fc.bias": [1, 2, 3, 4] as unknown as Tensor };
    const { message } = await failureOf("INVALID_ARGUMENT", () => model.loadStateDict(numbers));
    expect(message).to.contain("fc.bias");
    full["fc.bias"]!.dispose();
    await failureOf("DISPOSED", () => model.loadStateDict(full));
  });
});
