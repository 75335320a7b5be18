// Names and entries that other tools put in front of a network's, next to them or in their place.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { convertWeights, createModel, inspectWeights, readStateDict, Tensor, writeStateDict, type Model,
  type StateDict } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { filledModel } from "../../support/networks.js";
import { valuesOf } from "../../support/numeric.js";
import { archive, bytes, dict, global, pickle, tensor, text, tuple, type Part } from "../../support/pytorch-files.js";

const CLASSES = 5;

let folder: string;
let net: Model;
let state: StateDict;
before(async () => {
  net = await filledModel("resnet8", CLASSES, "", "float32");
  state = await net.stateDict();
});
after(() => {
  net.dispose();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-names-"));
});
afterEach(() => rm(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);

const renamed = (name: (name: string) => string | undefined, entries: StateDict = state): StateDict =>
  Object.fromEntries(Object.entries(entries).flatMap(([entry, value]) => {
    const other = name(entry);
    return other === undefined ? [] : [[other, value]];
  }));
const behind = (prefix: string, entries?: StateDict): StateDict => renamed((name) => prefix + name, entries);
const number = (value: number): Tensor => Tensor.from(new Float32Array([value]), []);

async function expectLoaded(path: string): Promise<void> {
  using model = await createModel("resnet8", { numClasses: CLASSES, weights: path });
  const loaded = await model.stateDict();
  for (const [name, value] of Object.entries(state))
    expect(valuesOf(loaded[name]!), name).to.deep.equal(valuesOf(value));
}

describe("weights whose names have something in front of them", () => {
  for (const prefix of ["module.", "_orig_mod.module.", "module._orig_mod.", "net.", "model.net.", "student.module.",
    "backbone.", "a.b.c.d."]) {
    it(`load without ${prefix}, and say so`, async () => {
      await writeStateDict(file("w.pt"), behind(prefix));
      await expectLoaded(file("w.pt"));
      using model = await createModel("resnet8", { numClasses: CLASSES, weights: file("w.pt") });
      expect(model.loadReport!.prefixes.join("")).to.equal(prefix);
      const { fit, selection, tensors } = await inspectWeights(file("w.pt"));
      expect(fit).to.include({ name: "resnet8", numClasses: CLASSES, matching: fit!.entries });
      expect(selection.prefixes.join("")).to.equal(prefix);
      expect(tensors.map(({ name }) => name)).to.have.members(Object.keys(state));
    });
  }

  it("load among counters and metrics, which are named", async () => {
    const others = { "train_acc.total": number(3), n_averaged: number(7), "net.total_ops": number(1) };
    await writeStateDict(file("w.pt"), { ...behind("net."), ...others });
    await expectLoaded(file("w.pt"));
    using model = await createModel("resnet8", { numClasses: CLASSES, weights: file("w.pt") });
    expect(model.loadReport!.leftAside).to.have.members(Object.keys(others));
    expect((await inspectWeights(file("w.pt"))).selection.leftAsideNames).to.have.members(Object.keys(others));
    expect(await convertWeights(file("w.pt"), file("c.safetensors"))).to.equal(Object.keys(state).length);
    await expectLoaded(file("c.safetensors"));
    expect(Object.keys((await readStateDict(file("c.safetensors"))).state)).to.have.members(Object.keys(state));
  });

  it("load without the counters of norms, which are 0 then", async () => {
    await writeStateDict(file("w.pt"), renamed((name) => name.endsWith("num_batches_tracked") ? undefined : name));
    using model = await createModel("resnet8", { numClasses: CLASSES });
    await model.loadStateDict(state);
    const report = await model.load(file("w.pt"));
    expect(report.missing).to.deep.equal([]);
    const loaded = await model.stateDict();
    for (const [name, value] of Object.entries(state)) {
      expect(valuesOf(loaded[name]!), name).to.deep.equal(
        name.endsWith("num_batches_tracked") ? [0] : valuesOf(value),
      );
    }
    const { fit } = await inspectWeights(file("w.pt"));
    expect(fit).to.include({ name: "resnet8", matching: fit!.entries });
  });

  it("are refused if several networks of the kind are in the file, and a key chooses one", async () => {
    using other = await createModel("resnet8", { numClasses: CLASSES, seed: 9 });
    await writeStateDict(file("w.pt"), { ...behind("query."), ...behind("key.", await other.stateDict()) });
    const { message, valid } = await failureOf("FILE_UNSUPPORTED",
      () => createModel("resnet8", { numClasses: CLASSES, weights: file("w.pt") }));
    expect(valid).to.have.members(["query", "key"]);
    expect(message).to.contain("`key`");
    using model = await createModel("resnet8", { numClasses: CLASSES, weights: file("w.pt"), key: "key" });
    expect(valuesOf((await model.stateDict())["conv1.weight"]!)).to.deep.equal(
      valuesOf((await other.stateDict())["conv1.weight"]!),
    );
  });

  it("are those of a network without a prefix if copies of it are below others", async () => {
    await writeStateDict(file("w.pt"), { ...state, ...behind("ema.", state) });
    const { fit, selection } = await inspectWeights(file("w.pt"));
    expect(fit).to.include({ name: "resnet8", matching: fit!.entries });
    expect(fit!.otherPrefixes).to.deep.equal([]);
    expect(selection.leftAsideNames).to.have.members(Object.keys(behind("ema.", state)));
    await expectLoaded(file("w.pt"));
    expect(await convertWeights(file("w.pt"), file("c.safetensors"))).to.equal(Object.keys(state).length);
  });

  it("are refused if a file has networks of several kinds, whatever stands with one of them", async () => {
    using teacher = await createModel("resnet20", { numClasses: CLASSES });
    const fusion = { "s.fusion.weight": Tensor.from(new Float32Array(64), [64]) };
    for (const prefix of ["s.", ""]) {
      await writeStateDict(file("w.pt"), { ...behind(prefix), ...fusion, ...behind("t.", await teacher.stateDict()) });
      expect((await inspectWeights(file("w.pt"))).fit!.otherPrefixes).not.to.deep.equal([]);
      const { message } = await failureOf("FILE_UNSUPPORTED", () =>
        convertWeights(file("w.pt"), file("c.safetensors")));
      expect(message).to.contain("received several").and.to.contain(prefix === "" ? "nothing before" : "t, s");
    }
    expect(await convertWeights(file("w.pt"), file("t.safetensors"), { key: "t" })).to.equal(128);
  });

  it("belong to the student of a file with a larger teacher of the same family", async () => {
    using teacher = await createModel("resnet14", { numClasses: CLASSES });
    await writeStateDict(file("w.safetensors"), { ...behind("t.", await teacher.stateDict()), ...behind("s.") });
    await expectLoaded(file("w.safetensors"));
    using model = await createModel("resnet14", { numClasses: CLASSES, weights: file("w.safetensors") });
    expect(model.loadReport!.prefixes).to.deep.equal(["t."]);
  });

  it("of another number of classes are refused for that alone, and load in part without strict", async () => {
    await writeStateDict(file("w.pt"), behind("net."));
    const { message } = await failureOf("STATE_DICT_MISMATCH",
      () => createModel("resnet8", { numClasses: 9, weights: file("w.pt") }));
    expect(message).to.contain("fc.weight (expected [9, 64], received [5, 64])").and.not.to.contain("missing");
    using model = await createModel("resnet8", { numClasses: 9, weights: file("w.pt"), strict: false });
    expect(model.loadReport!.mismatched.map(({ name }) => name)).to.deep.equal(["fc.weight", "fc.bias"]);
  });

  it("of more than the network are refused", async () => {
    await writeStateDict(file("w.pt"),
      behind("net.", { ...state, "extra.weight": Tensor.from(new Float32Array(2), [2]) }));
    const { message } = await failureOf("STATE_DICT_MISMATCH",
      () => createModel("resnet8", { numClasses: CLASSES, weights: file("w.pt") }));
    expect(message).to.contain("unexpected: extra.weight");
  });

  it("need weights for a key", async () => {
    const { message } = await failureOf("INVALID_ARGUMENT", () => createModel("resnet8", { key: "model" }));
    expect(message).to.contain("`weights`");
  });
});

describe("a file that is more than a state dict", () => {
  const save = (...entries: readonly Part[]): Promise<void> =>
    writeFile(file("w.pt"), archive(pickle(dict(...entries))));
  const weights = dict(text("weight"), tensor());

  it("is read without creating or calling anything in it", async () => {
    const marker = file("called");
    const call = bytes(global("os", "system"), tuple(text(`touch '${marker}'`)), "R");
    const objects = [call, bytes("(", text(`touch '${marker}'`), "ios\nsystem\n"),
      bytes("(", global("os", "system"), text(`touch '${marker}'`), "o"),
      bytes(global("builtins", "eval"), tuple(text(`open(${JSON.stringify(marker)}, "w")`)), "\x81}b")];
    await save(text("model"), weights, text("hooks"), bytes("](", ...objects, "e"), text("epoch"), "K\x03");
    const { state: read, metadata } = await readStateDict(file("w.pt"));
    expect(Object.keys(read)).to.deep.equal(["weight"]);
    expect(metadata).to.deep.equal({ epoch: "3" });
    expect(existsSync(marker)).to.equal(false);
    const { selection } = await inspectWeights(file("w.pt"));
    expect(selection.unread).to.deep.equal([
      ...["hooks.0", "hooks.1", "hooks.2"].map((name) => ({ name, type: "os.system" })),
      { name: "hooks.3", type: "builtins.eval" },
    ]);
  });

  it("is refused for a tensor that the network wants and that cannot be read", async () => {
    const entries = (type: string): Buffer =>
      dict(text("conv1.weight"), tensor({ type, elements: 432, shape: [16, 3, 3, 3], strides: [27, 9, 3, 1] }),
        ...Array.from({ length: 20 }, (_, i) => [text(`other${i}`), tensor()]).flat());
    await writeFile(file("w.pt"), archive(pickle(entries("ComplexFloatStorage")), { 0: new Uint8Array(3456) }));
    using model = await createModel("resnet8", { numClasses: CLASSES });
    const { message } = await failureOf("FILE_UNSUPPORTED", () => model.load(file("w.pt"), { strict: false }));
    expect(message).to.contain("conv1.weight").and.to.contain("ComplexFloatStorage");
  });
});

describe("weights in several files", () => {
  const INDEX = "model.safetensors.index.json";

  async function writeShards(change: (map: Record<string, string>) => unknown = (map) => map): Promise<void> {
    const names = Object.keys(state);
    const half = names.length / 2;
    const map: Record<string, string> = {};
    for (const [index, part] of [names.slice(0, half), names.slice(half)].entries()) {
      const shard = `model-0000${index + 1}-of-00002.safetensors`;
      await writeStateDict(file(shard), Object.fromEntries(part.map((name) => [`net.${name}`, state[name]!])));
      for (const name of part) map[`net.${name}`] = shard;
    }
    await writeFile(file(INDEX), JSON.stringify({ metadata: { total_size: 1 }, weight_map: change(map) }));
  }

  it("are found through their index", async () => {
    await writeShards();
    await expectLoaded(file(INDEX));
    expect((await inspectWeights(file(INDEX))).fit).to.include({ name: "resnet8" });
    await convertWeights(file(INDEX), file("one.pt"));
    await expectLoaded(file("one.pt"));
  });

  it("are refused with the shards that are missing, and for names outside of the folder", async () => {
    await writeShards();
    await rm(file("model-00002-of-00002.safetensors"));
    const { message } = await failureOf("FILE_NOT_FOUND", () => readStateDict(file(INDEX)));
    expect(message).to.contain("model-00002-of-00002.safetensors").and.not.to.contain("model-00001");
    for (const name of ["../secret.safetensors", "/etc/passwd", "a/../../b"]) {
      await writeShards(() => ({ "net.fc.bias": name }));
      await failureOf("FILE_CORRUPT", () => readStateDict(file(INDEX)));
    }
    await writeShards(() => ({}));
    await failureOf("FILE_CORRUPT", () => readStateDict(file(INDEX)));
  });

  it("are refused one by one, for that reason", async () => {
    await writeShards();
    const { message } = await failureOf("STATE_DICT_MISMATCH",
      () => createModel("resnet8", { numClasses: CLASSES, weights: file("model-00001-of-00002.safetensors") }));
    expect(message).to.contain("index.json");
  });

  it("have each tensor once", async () => {
    await writeShards();
    await writeStateDict(file("model-00001-of-00002.safetensors"), { "net.fc.bias": state["fc.bias"]! });
    const { message } = await failureOf("FILE_CORRUPT", () => readStateDict(file(INDEX)));
    expect(message).to.contain("net.fc.bias in two");
  });

  it("are distinguished from other JSON", async () => {
    await writeFile(file("config.json"), "{}");
    expect((await failureOf("FILE_UNSUPPORTED", () => readStateDict(file("config.json")))).message).to.contain(
      "weight_map",
    );
    await writeFile(file("config.json"), '{"weight_map":');
    await failureOf("FILE_CORRUPT", () => readStateDict(file("config.json")));
  });

  it("are distinguished from weights with the name of an index, and from what a failed download leaves", async () => {
    // The header's length, with which a safetensors file begins, is a brace or a space in the first byte.
    for (const length of [0x7b, 0x7b20]) {
      const header = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.padEnd(length);
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(length));
      await writeFile(file("small.json"), Buffer.concat([bytes, Buffer.from(header), Buffer.alloc(4)]));
      expect(Object.keys((await readStateDict(file("small.json"))).state)).to.deep.equal(["a"]);
    }
    for (const [content, found] of [["<!DOCTYPE html><html></html>", "a web page (HTML)"], [
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
      "a pointer of Git LFS",
    ]] as const) {
      await writeFile(file(INDEX), content);
      expect((await failureOf("FILE_UNSUPPORTED", () => inspectWeights(file(INDEX)))).message).to.contain(found);
    }
  });

  it("are found through an index with an upper-case extension, or with a byte order mark", async () => {
    await writeShards();
    const index = await readFile(file(INDEX), "utf8");
    await writeFile(file("UPPER.INDEX.JSON"), index);
    await writeFile(file("marked.index.json"), `\uFEFF\r\n ${index}`);
    for (const name of ["UPPER.INDEX.JSON", "marked.index.json"]) await expectLoaded(file(name));
  });

  it("are not looked for in JSON that is no index, whose error proposes the files next to it", async () => {
    await writeFile(file("config.json"), "{}");
    const messageOf = async (): Promise<string> =>
      (await failureOf("FILE_UNSUPPORTED", () => inspectWeights(file("config.json")))).message;
    expect(await messageOf()).to.match(/Pass the file of weights itself\.$/);
    await writeStateDict(file("student.safetensors"), state);
    await writeFile(file("other.index.json"), "{}");
    expect(await messageOf()).to.contain(
      `itself, such as ${file("student.safetensors")} or ${file("other.index.json")}.`,
    );
    const { message } = await failureOf("FILE_UNSUPPORTED", () => inspectWeights(file("other.index.json")));
    expect(message).to.contain(`itself, such as ${file("student.safetensors")}.`);
  });

  it("are proposed for the path of their folder", async () => {
    await writeShards();
    const { message } = await failureOf("FILE_ACCESS", () => createModel("resnet8", { weights: folder }));
    expect(message).to.contain("a directory").and.to.contain(file(INDEX));
    await mkdir(file("empty"));
    await mkdir(join(file("empty"), "last.ckpt"));
    expect((await failureOf("FILE_ACCESS", () => inspectWeights(file("empty")))).message).to.contain("no file");
  });
});
