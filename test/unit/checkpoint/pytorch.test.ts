import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createModel, readStateDict, readWeightsInfo, Tensor, writeStateDict } from "../../../lib/index.js";
import { CHECKPOINTS, expectCheckpoint, expectedIn } from "../../support/checkpoints.js";
import { failureOf } from "../../support/errors.js";
import { HOSTILE_FILES } from "../../support/hostile-files.js";
import { filledModel } from "../../support/networks.js";
import { valuesOf } from "../../support/numeric.js";
import { archive, bytes, dict, global, legacy, pickle, tensor, text, tuple, zip } from "../../support/pytorch-files.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-pytorch-"));
});
afterEach(() => rm(folder, { recursive: true }));

const file = (name = "weights.pt"): string => join(folder, name);
const fixture = (name: string): string => join(CHECKPOINTS, name);

async function written(content: Uint8Array, name?: string): Promise<string> {
  await writeFile(file(name), content);
  return file(name);
}

/** float32 values as a storage contains them. */
const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

describe("reading files of PyTorch", () => {
  const { files } = expectedIn(CHECKPOINTS);

  for (const [name, expected] of Object.entries(files)) {
    it(`reads ${name} to equal values`, () => expectCheckpoint(fixture(name), expected));
  }

  it("reports the dictionary, the prefixes and the number of skipped tensors", async () => {
    const selectionOf = async (name: string): Promise<unknown> => (await readWeightsInfo(fixture(name))).selection;
    expect(await selectionOf("state-dict.zip.pt")).to.deep.equal({ key: "", prefixes: [], leftAside: 0,
      leftAsideNames: [], unread: [] });
    expect(await selectionOf("nested-module-prefix.legacy.pt")).to.deep.equal({ key: "state_dict",
      prefixes: ["module."], leftAside: 0, leftAsideNames: [], unread: [] });
    // The teacher's 8 tensors, and one of a fusion.
    expect(await selectionOf("module-student-prefix.zip.pt")).to.deep.equal({ key: "",
      prefixes: ["module.", "student."], leftAside: 9, leftAsideNames: [], unread: [] });
    expect(await selectionOf("nested-twice.zip.pt")).to.deep.equal({ key: "checkpoint.model", prefixes: [],
      leftAside: 0, leftAsideNames: [], unread: [] });
    expect(await selectionOf("nested-beside-average.zip.pt")).to.deep.equal({ key: "model", prefixes: [], leftAside: 8,
      leftAsideNames: [], unread: [] });
  });

  it("keeps text, numbers and booleans next to the state dict as metadata", async () => {
    const { metadata } = await readWeightsInfo(fixture("nested-model.zip.pt"));
    expect(metadata).to.deep.equal({ epoch: "7", best_acc: "71.25", arch: "tiny" });
    expect((await readWeightsInfo(fixture("nested-twice.legacy.pt"))).metadata).to.deep.equal({ note: "two levels",
      epoch: "3" });
  });

  it("selects the requested state dict by name or path, and lists the available ones", async () => {
    const { state } = await readStateDict(fixture("nested-beside-average.zip.pt"), { key: "model_ema" });
    const expected = files["nested-beside-average.zip.pt"]!;
    for (const [name, { values }] of Object.entries(expected)) {
      expect(valuesOf(state[name]!), name).to.deep.equal(values.map((value) => Math.fround(value + 1)));
    }
    expect(Object.keys((await readStateDict(fixture("nested-twice.zip.pt"), { key: "checkpoint.model" })).state)).to
      .have.length(8);
    const { valid } = await failureOf("UNKNOWN_NAME",
      () => readStateDict(fixture("nested-beside-average.zip.pt"), { key: "teacher" }));
    expect(valid).to.deep.equal(["model", "model_ema"]);
    const path = await written(
      archive(pickle(dict(text("first"), dict(text("w"), tensor()), text("second"), dict(text("w"), tensor())))),
    );
    const { message } = await failureOf("FILE_UNSUPPORTED", () => readStateDict(path));
    expect(message).to.contain("several: first, second").and.to.contain("Choose one with `key`");
  });

  it("detects the format by content, whatever the name", async () => {
    const path = await written(await readFile(fixture("state-dict.legacy.pt")), "renamed.safetensors");
    expect((await readWeightsInfo(path)).format).to.equal("pytorch-legacy");
    using model = await createModel("resnet8", { numClasses: 3, seed: 1 });
    await model.save(file("weights.safetensors"));
    const moved = await written(await readFile(file("weights.safetensors")), "weights.pth");
    expect((await readWeightsInfo(moved)).format).to.equal("safetensors");
    expect((await model.load(moved)).missing).to.deep.equal([]);
  });

  it("reads Python 2 pickles, whose names are byte strings, with views of storages", async () => {
    const name = (value: string): Buffer => bytes("U", value.length, value);
    const storage = (view: Buffer): Buffer =>
      tuple(name("storage"), global("torch", "FloatStorage"), name("0"), name("cpu"), "K\x04", view);
    const entry = (view: Buffer, shape: number): Buffer =>
      bytes(
        global("torch._utils", "_rebuild_tensor"),
        tuple(storage(view), "QK\x00", tuple("K", shape), tuple("K\x01")),
        "R",
      );
    const content = pickle(
      dict(name("whole"), entry(bytes("N"), 4), name("part"), entry(tuple(name("1"), "K\x01", "K\x02"), 2)),
    );
    const path = await written(legacy(content, { storages: [{ elements: 4, values: floats(1, 2, 3, 4) }] }));
    const { state } = await readStateDict(path);
    expect(valuesOf(state["whole"]!)).to.deep.equal([1, 2, 3, 4]);
    expect(valuesOf(state["part"]!)).to.deep.equal([2, 3]);
  });

  it("reads a tensor whose type is not that of its storage", async () => {
    const untyped = tensor({ type: "UntypedStorage", elements: 12, dtype: global("torch", "float32") });
    const { state } = await readStateDict(
      await written(archive(pickle(dict(text("weight"), untyped)), { 0: floats(1, 2, 3) })),
    );
    expect(valuesOf(state["weight"]!)).to.deep.equal([1, 2, 3]);
  });

  it("detects bytes that changed after they were written", async () => {
    const values = floats(1, 2, 3);
    const good = archive(pickle(dict(text("weight"), tensor())), { 0: values });
    const at = good.indexOf(values);
    good[at + 5]! ^= 1;
    const { message } = await failureOf("FILE_CORRUPT", async () => readStateDict(await written(good)));
    expect(message).to.contain("checksum");
    const renamed = archive(pickle(dict(text("weight"), tensor())), { 0: values });
    renamed[renamed.indexOf("weight")] = 0x57;
    await failureOf("FILE_CORRUPT", async () => readStateDict(await written(renamed)));
  });

  it("reads a zip64 archive and one with a comment, and skips unneeded records", async () => {
    const records = [{ name: "m/version", content: Buffer.from("3\n") }, { name: "m/data.pkl",
      content: pickle(dict(text("weight"), tensor())) }, { name: "m/data/0", content: floats(1, 2, 3) }];
    const large = await readStateDict(await written(zip(records, { zip64: true })));
    expect(valuesOf(large.state["weight"]!), "zip64").to.deep.equal([1, 2, 3]);
    const plain = zip(records);
    plain.writeUInt16LE(5, plain.length - 2);
    const { state } = await readStateDict(await written(bytes(plain, "hello")));
    expect(valuesOf(state["weight"]!)).to.deep.equal([1, 2, 3]);
  });
});

describe("untrusted files", () => {
  for (const { what, code, content, says } of HOSTILE_FILES) {
    it(`rejects ${what}`, async () => {
      const path = await written(content);
      const { message } = await failureOf(code, () => readWeightsInfo(path));
      expect(message).to.contain(path).and.to.contain(says ?? path);
      await failureOf(code, () => readStateDict(path));
    });
  }

  it("rejects a real file that was truncated anywhere", async () => {
    for (const layout of ["zip", "legacy"]) {
      const whole = await readFile(fixture(`nested-model.${layout}.pt`));
      for (let length = 0; length < whole.length; length += 97) {
        await failureOf("FILE_CORRUPT", async () => readStateDict(await written(whole.subarray(0, length))));
      }
    }
  });
});

describe("writing for PyTorch", () => {
  it("round-trips bit for bit, with its metadata", async () => {
    using model = await filledModel("resnet8", 3);
    for (const name of ["weights.pt", "weights.pth"]) {
      await model.save(file(name), { metadata: { note: "ünï 猫", epoch: "7" } });
      const info = await readWeightsInfo(file(name));
      expect(info.format).to.equal("pytorch-zip");
      expect(info.metadata).to.deep.equal({ model: "resnet8", numClasses: "3", note: "ünï 猫", epoch: "7" });
      using other = await createModel("resnet8", { numClasses: 3, dtype: "float64", weights: file(name) });
      const [before, after] = [await model.stateDict(), await other.stateDict()];
      for (const [entry, values] of Object.entries(before))
        expect(valuesOf(after[entry]!), entry).to.deep.equal(valuesOf(values));
    }
  });

  it("keeps every supported tensor type, scalars and empty tensors", async () => {
    const state = {
      double: Tensor.from(Float64Array.of(1 / 3), [1]),
      half: Tensor.from([1.5, -2], [2], { dtype: "bfloat16" }),
      scalar: Tensor.from([7], []),
      empty: Tensor.from([], [0, 3]),
      count: Tensor.from(BigInt64Array.of(2n ** 53n), [1]),
      byte: Tensor.from(Uint8Array.of(255), [1, 1]),
    };
    for (const name of ["a.pt", "a.safetensors"]) {
      await writeStateDict(file(name), state);
      const { state: read, metadata } = await readStateDict(file(name));
      expect(metadata).to.deep.equal({});
      expect(Object.fromEntries(Object.entries(read).map(([key, { dtype, shape }]) => [key, { dtype, shape }])))
        .to.deep.equal(
          Object.fromEntries(Object.entries(state).map(([key, { dtype, shape }]) => [key, { dtype, shape }])),
        );
      for (const [key, values] of Object.entries(state))
        expect(read[key]!.toTypedArray(), key).to.deep.equal(values.toTypedArray());
    }
  });

  it("leaves nothing behind on failure, and keeps the existing file", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    await failureOf("FILE_ACCESS", () => model.save(join(folder, "none", "weights.pt")));
    await failureOf("FILE_UNSUPPORTED", () => model.save(file("weights.ckpt")));
    await failureOf("FILE_UNSUPPORTED", () => writeStateDict(file("pt"), {}));
  });

  it("takes an object of Tensors alone: the entries of a Map or Set would be lost", async () => {
    using model = await createModel("resnet8", { numClasses: 2 });
    const state = await model.stateDict();
    for (const wrong of [new Map(Object.entries(state)), new Set(Object.values(state)), Object.values(state)]) {
      const given = wrong as unknown as typeof state;
      for (const call of [() => writeStateDict(file("map.pt"), given), () => model.loadStateDict(given)]) {
        const { message } = await failureOf("INVALID_ARGUMENT", call);
        expect(message).to.match(
          /^invalid state dict: expected an object of Tensors by name, received an? (?:Map|Set|array)/,
        );
      }
    }
    await failureOf("INVALID_ARGUMENT",
      () => writeStateDict(file("map.pt"), state, new Map([["note", "lost"]]) as unknown as Record<string, string>));
    await failureOf("FILE_NOT_FOUND", () => readWeightsInfo(file("map.pt")));
    expect((await model.loadStateDict(Object.assign(Object.create(null), state) as typeof state)).missing)
      .to.deep.equal([]);
  });
});
