import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { convertWeights, createModel, inspectWeights, readStateDict, readWeightsInfo,
  writeStateDict } from "../../../lib/index.js";
import { expectCheckpoint, type StoredState } from "../../support/checkpoints.js";
import { failureOf } from "../../support/errors.js";
import { filledModel } from "../../support/networks.js";
import { valuesOf } from "../../support/numeric.js";
import { array, floats } from "../../support/numpy-files.js";
import { bytes, dict, global, pickle, text, tuple } from "../../support/pytorch-files.js";

/** Written by real Pythons: scripts/fixtures/write_numpy_pickles.py. */
const FIXTURES = "test/fixtures/numpy-pickles";

const { files, sets } = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as {
  readonly files: Readonly<Record<string, string>>;
  readonly sets: Readonly<Record<string, StoredState>>;
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-numpy-"));
});
afterEach(() => rm(folder, { recursive: true }));

const file = (name = "weights.pkl"): string => join(folder, name);
const fixture = (name: string): string => join(FIXTURES, name);

describe("reading pickles of NumPy arrays", () => {
  for (const [name, set] of Object.entries(files)) {
    it(`reads ${name} to equal values`, async () => {
      const expected = Object.entries(sets[set]!);
      // Dictionaries of Python 2 have an order of their own.
      const order = (await readWeightsInfo(fixture(name))).tensors.map((tensor) => tensor.name);
      if (name.startsWith("python2-")) expected.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
      await expectCheckpoint(fixture(name), Object.fromEntries(expected));
    });
  }

  it("reports the dictionary, the author and the number of skipped tensors", async () => {
    const zoo = await readWeightsInfo(fixture("zoo-protocol-3.pkl"));
    expect(zoo.selection).to.deep.equal({ key: "model", prefixes: [], leftAside: 0, leftAsideNames: [], unread: [] });
    expect(zoo.metadata).to.deep.equal({ __author__: "Detectron2 Model Zoo", matching_heuristics: "true" });
    // One momentum buffer per parameter belongs to the optimizer, whose state goes by numbers.
    const final = await readWeightsInfo(fixture("model-final.zip.pt"));
    expect(final.selection.key).to.equal("model");
    expect(final.metadata).to.deep.equal({ iteration: "89999" });
  });

  it("reads Latin-1 text of Python 2 as metadata", async () => {
    for (const writer of ["pickle", "cPickle"]) {
      for (const protocol of [0, 1, 2]) {
        const { metadata } = await readWeightsInfo(fixture(`python2-caffe2-blobs-${writer}-${protocol}.pkl`));
        expect(metadata).to.deep.equal({ cfg: "NUM_GPUS: 8\nNAME: é" });
      }
    }
  });

  it("loads them into a network, inspects and converts them like any other file", async () => {
    using trained = await filledModel("resnet8", 3);
    const state = await trained.stateDict();
    const arrays = Object.entries(state).map(([name, tensor]) =>
      bytes(text(name), floats(tensor.shape, valuesOf(tensor)))
    );
    await writeFile(file(), pickle(dict(text("model"), dict(...arrays), text("__author__"), text("a test"))));
    const { format, fit } = await inspectWeights(file());
    expect(format).to.equal("numpy-pickle");
    expect([fit?.name, fit?.numClasses, fit?.matching]).to.deep.equal(["resnet8", 3, arrays.length]);

    using model = await createModel("resnet8", { numClasses: 3, weights: file() });
    expect((await model.load(file())).matched).to.equal(arrays.length);
    await convertWeights(file(), file("weights.safetensors"));
    const converted = (await readStateDict(file("weights.safetensors"))).state;
    for (const [name, tensor] of Object.entries(await model.stateDict())) {
      expect(valuesOf(tensor), name).to.deep.equal(valuesOf(state[name]!).map(Math.fround));
      expect(valuesOf(converted[name]!), name).to.deep.equal(valuesOf(tensor));
    }
  });

  it("lists the entry that no network can hold, and refuses it where a network wants it", async () => {
    const complex = array({ code: "c8", shape: [1] });
    await writeFile(file(), pickle(dict(text("a"), array(), text("b"), complex)));
    expect((await readWeightsInfo(file())).selection.unread).to.deep.equal([{ name: "b", type: "c8" }]);
    expect(Object.keys((await readStateDict(file())).state)).to.deep.equal(["a"]);
    await writeFile(file(), pickle(dict(text("a"), array(), text("fc.bias"), complex)));
    using model = await createModel("resnet8", { numClasses: 3 });
    const { message } = await failureOf("FILE_UNSUPPORTED", () => model.load(file(), { strict: false }));
    expect(message).to.contain("invalid entry fc.bias in").and.to.contain("received c8").and.to.contain("astype");
  });

  it("runs nothing that a pickle names", async () => {
    const attack = bytes(global("os", "system"), tuple(text(`touch ${file("touched")}`)), "R");
    await writeFile(file(), pickle(dict(text("model"), dict(text("a"), floats([1], [1])), text("other"), attack)));
    expect(valuesOf((await readStateDict(file())).state["a"]!)).to.deep.equal([1]);
    await failureOf("FILE_NOT_FOUND", () => readWeightsInfo(file("touched")));
  });

  it("does not write them", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    const { message } = await failureOf("FILE_UNSUPPORTED",
      async () => writeStateDict(file(), await model.stateDict()));
    expect(message).to.contain(".safetensors, .pt or .pth");
  });
});
