import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { convertWeights, createModel, exportStudent, inspectWeights, listModels, readStateDict, readWeightsInfo, Tensor,
  writeStateDict } from "../../../lib/index.js";
import { CHECKPOINTS, expectedIn } from "../../support/checkpoints.js";
import { failureOf } from "../../support/errors.js";
import { filledModel } from "../../support/networks.js";
import { valuesOf } from "../../support/numeric.js";
import { AS_STORED } from "../../support/load-report.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-weights-"));
});
afterEach(() => rm(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);

describe("inspectWeights", () => {
  it("recognises every network of the registry, with its number of classes", async function () {
    this.timeout(300_000);
    for (const { name } of listModels()) {
      using model = await createModel(name, { numClasses: 7 });
      await model.save(file("weights.safetensors"));
      const { fit, parameters } = await inspectWeights(file("weights.safetensors"));
      expect(fit, name).to.deep.include({ name, numClasses: 7,
        differences: { missing: [], unexpected: [], mismatched: [] } });
      expect(fit!.matching, name).to.equal(fit!.entries);
      expect(parameters, name).to.equal(model.parameterCount());
    }
  });

  it("reports how well the best one fits, and what differs", async () => {
    using model = await createModel("resnet20", { numClasses: 10 });
    const { "fc.bias": bias, ...state } = await model.stateDict();
    delete state["conv1.weight"];
    await writeStateDict(file("a.pt"), { ...state, "fc.bias": Tensor.from(new Float32Array(11), [11]), head: bias! });
    const { fit } = await inspectWeights(file("a.pt"));
    expect(fit).to.deep.include({ name: "resnet20", numClasses: 10 });
    expect(fit!.entries - fit!.matching).to.equal(2);
    expect(fit!.differences).to.deep.equal({
      missing: ["conv1.weight"],
      unexpected: ["head"],
      mismatched: [{ name: "fc.bias", expected: [10], got: [11] }],
    });
  });

  it("reports none if nothing fits", async () => {
    expect((await inspectWeights(join(CHECKPOINTS, "dtypes.zip.pt"))).fit).to.equal(null);
  });
});

describe("convertWeights", () => {
  it("converts each format to each, with equal values and the metadata", async () => {
    const expected = expectedIn(CHECKPOINTS).files["nested-model.zip.pt"]!;
    let from = join(CHECKPOINTS, "nested-model.zip.pt");
    for (const name of ["a.safetensors", "b.pt", "c.pth", "d.safetensors"]) {
      expect(await convertWeights(from, file(name))).to.equal(8);
      from = file(name);
      const { state, metadata } = await readStateDict(from);
      expect(metadata, name).to.deep.equal({ epoch: "7", best_acc: "71.25", arch: "tiny" });
      for (const [entry, { values }] of Object.entries(expected))
        expect(valuesOf(state[entry]!), name).to.deep.equal(values);
    }
  });

  it("stores views contiguously", async () => {
    const expected = expectedIn(CHECKPOINTS).files["views.legacy.pt"]!;
    for (const name of ["views.safetensors", "views.pt"]) {
      await convertWeights(join(CHECKPOINTS, "views.legacy.pt"), file(name));
      const { state } = await readStateDict(file(name));
      for (const [entry, { shape, values }] of Object.entries(expected)) {
        expect({ shape: state[entry]!.shape, values: valuesOf(state[entry]!) }, entry).to.deep.equal({ shape, values });
      }
    }
  });

  it("converts only floating-point values when a type is requested", async () => {
    await convertWeights(join(CHECKPOINTS, "dtypes.zip.pt"), file("half.safetensors"), { dtype: "float16" });
    const { tensors } = await readWeightsInfo(file("half.safetensors"));
    expect(Object.fromEntries(tensors.map(({ name, dtype }) => [name, dtype]))).to.deep.equal({
      float16: "float16",
      bfloat16: "float16",
      float32: "float16",
      float64: "float16",
      int64: "int64",
      int32: "int32",
      int16: "int16",
      int8: "int8",
      uint8: "uint8",
      bool: "bool",
    });
  });

  it("replaces a file only on request", async () => {
    await writeFile(file("a.pt"), "mine");
    const from = join(CHECKPOINTS, "state-dict.zip.pt");
    const { message } = await failureOf("INVALID_ARGUMENT", () => convertWeights(from, file("a.pt")));
    expect(message).to.contain("--force");
    expect(await readFile(file("a.pt"), "utf8")).to.equal("mine");
    await convertWeights(from, file("a.pt"), { overwrite: true });
    expect((await readWeightsInfo(file("a.pt"))).tensors).to.have.length(8);
    await failureOf("FILE_UNSUPPORTED", () => convertWeights(from, file("a.bin")));
    await failureOf("FILE_NOT_FOUND", () => convertWeights(file("none.pt"), file("b.pt")));
    expect(await readdir(folder)).to.deep.equal(["a.pt"]);
  });
});

describe("loading weights that do not quite fit", () => {
  it("loads the rest of a network under a new classifier, and reports what it skipped", async () => {
    using trained = await filledModel("resnet8", 5);
    await trained.save(file("five.pt"));
    using model = await createModel("resnet8", { numClasses: 3, seed: 1 });
    const before = await model.stateDict();
    const { message } = await failureOf("STATE_DICT_MISMATCH", () => model.load(file("five.pt")));
    expect(message).to.contain("fc.weight (expected [3, 64], received [5, 64])").and.to.contain("strict: false");
    const report = await model.load(file("five.pt"), { strict: false });
    expect(report).to.deep.equal({
      ...AS_STORED,
      matched: Object.keys(before).length - 2,
      missing: [],
      unexpected: [],
      mismatched: [{ name: "fc.weight", expected: [3, 64], got: [5, 64] }, { name: "fc.bias", expected: [3],
        got: [5] }],
    });
    const after = await model.stateDict();
    expect(valuesOf(after["fc.weight"]!)).to.deep.equal(valuesOf(before["fc.weight"]!));
    expect(valuesOf(after["conv1.weight"]!)).to.deep.equal(
      valuesOf((await trained.stateDict())["conv1.weight"]!).map(Math.fround),
    );
  });

  it("rejects unknown options", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    await failureOf("INVALID_ARGUMENT", () => model.load(file("a.pt"), { strickt: false } as object));
    await failureOf("INVALID_ARGUMENT", () => readWeightsInfo(file("a.pt"), { key: "" }));
  });
});

describe("exportStudent", () => {
  it("reports a directory without a run", async () => {
    await failureOf("FILE_NOT_FOUND", () => exportStudent(folder));
  });
});
