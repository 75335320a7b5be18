import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createModel, readWeightsInfo, type ErrorCode, type Model } from "../../../lib/index.js";
import { filledModel } from "../../support/networks.js";
import { failureOf } from "../../support/errors.js";
import { valuesOf } from "../../support/numeric.js";
import { buildSafetensors, parseSafetensors } from "../../support/safetensors.js";
import { AS_STORED } from "../../support/load-report.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-safetensors-"));
});
afterEach(async () => {
  await chmod(folder, 0o755);
  await rm(folder, { recursive: true });
});

const file = (name = "weights.safetensors"): string => join(folder, name);

/** Permissions do not apply to root, the user that runs tests in many containers. */
async function asOrdinaryUser(action: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return action();
  const unprivileged = 65534;
  process.seteuid?.(unprivileged);
  try {
    await action();
  } finally {
    process.seteuid?.(0);
  }
}

const small = (seed: number): Promise<Model> => createModel("resnet8", { numClasses: 3, seed });
const snapshot = async (model: Model): Promise<Record<string, number[]>> =>
  Object.fromEntries(Object.entries(await model.stateDict()).map(([name, tensor]) => [name, valuesOf(tensor)]));

describe("saving weights", () => {
  it("writes a file that another reader of the format understands", async () => {
    using model = await small(1);
    await model.save(file(), { metadata: { note: '"quoted" \\ line\nbreak\u0001 ünï 猫 🐈', model: "mine" } });
    const bytes = await readFile(file());
    const { headerBytes, metadata, entries, data } = parseSafetensors(bytes);
    expect(metadata).to.deep.equal({ model: "mine", numClasses: "3", note: '"quoted" \\ line\nbreak\u0001 ünï 猫 🐈' });
    expect(headerBytes % 8, "tensors start at a multiple of 8 bytes").to.equal(0);

    const state = await model.stateDict();
    expect(Object.keys(entries)).to.deep.equal(Object.keys(state));
    let offset = 0;
    for (const [name, tensor] of Object.entries(state)) {
      const values = tensor.toTypedArray();
      expect(entries[name], name).to.deep.equal({
        dtype: name.endsWith("num_batches_tracked") ? "I64" : "F32",
        shape: tensor.shape,
        data_offsets: [offset, offset + values.byteLength],
      });
      expect(Buffer.compare(data[name]!, new Uint8Array(values.buffer)), name).to.equal(0);
      offset += values.byteLength;
    }
    expect(bytes.length, "no data after the tensors").to.equal(8 + headerBytes + offset);
  });

  it("keeps double precision", async () => {
    using model = await filledModel("resnet8", 3);
    await model.save(file());
    const { entries, data } = parseSafetensors(await readFile(file()));
    expect(entries["fc.bias"]!.dtype).to.equal("F64");
    expect(Array.from(new Float64Array(data["fc.bias"]!.buffer))).to.deep.equal(
      valuesOf((await model.stateDict())["fc.bias"]!),
    );
  });

  it("round-trips bit for bit", async () => {
    using model = await small(1);
    using other = await small(2);
    await model.save(file());
    expect(await other.load(file())).to.deep.equal({ ...AS_STORED, matched: Object.keys(await model.stateDict()).length,
      missing: [], unexpected: [], mismatched: [] });
    expect(await snapshot(other)).to.deep.equal(await snapshot(model));
    using third = await createModel("resnet8", { numClasses: 3, seed: 3, weights: file() });
    expect(await snapshot(third)).to.deep.equal(await snapshot(model));
  });

  it("replaces an existing file as a whole", async () => {
    using model = await small(1);
    await writeFile(file(), new Uint8Array(1e6));
    await model.save(file());
    expect(Object.keys(parseSafetensors(await readFile(file())).entries)).to.deep.equal(
      Object.keys(await model.stateDict()),
    );
    expect(await readdir(folder)).to.deep.equal(["weights.safetensors"]);
  });

  it("distinguishes a missing folder from one that cannot hold the file, and leaves nothing behind", async () => {
    using model = await small(1);
    const { message } = await failureOf("FILE_ACCESS", () => model.save(join(folder, "none", "weights.safetensors")));
    expect(message).to.contain(join(folder, "none", "weights.safetensors"));
    // A folder with that name is in the way; even root cannot rename a file onto it.
    await mkdir(file());
    await failureOf("FILE_ACCESS", () => model.save(file()));
    expect(await readdir(folder)).to.deep.equal(["weights.safetensors"]);
    expect(await readdir(file())).to.deep.equal([]);
  });

  it("fails if the folder is not writable, and keeps the existing file", async () => {
    using model = await small(1);
    await writeFile(file(), "before");
    await chmod(folder, 0o555);
    await asOrdinaryUser(async () => {
      const { message } = await failureOf("FILE_ACCESS", () => model.save(file()));
      expect(message).to.contain(file()).and.to.contain("Permission denied");
    });
    expect(await readdir(folder)).to.deep.equal(["weights.safetensors"]);
    expect(await readFile(file(), "utf8")).to.equal("before");
  });

  it("rejects other extensions with advice", async () => {
    using model = await small(1);
    for (const name of ["weights.ckpt", "weights", "weights.safetensors.bak"]) {
      const { message } = await failureOf("FILE_UNSUPPORTED", () => model.save(join(folder, name)));
      expect(message).to.contain(".safetensors, .pt or .pth");
    }
    expect(await readdir(folder)).to.deep.equal([]);
  });
});

describe("readWeightsInfo", () => {
  it("reports metadata, names, types and shapes", async () => {
    using model = await small(1);
    await model.save(file(), { metadata: { epoch: "7" } });
    const { metadata, tensors } = await readWeightsInfo(file());
    expect(metadata).to.deep.equal({ model: "resnet8", numClasses: "3", epoch: "7" });
    expect(tensors.map(({ name, shape }) => ({ name, shape }))).to.deep.equal(
      Object.entries(await model.stateDict()).map(([name, { shape }]) => ({ name, shape })),
    );
  });

  it("reads files of other writers: any order, whitespace, escapes, empty tensors and no metadata", async () => {
    const header = ' { "b\\u0041\\ud83d\\ude00" : {"shape":[2],"data_offsets":[4,12],"dtype":"F32"},\n'
      + '"a":{"data_offsets":[0,4],"dtype":"I16","shape":[1,2]},'
      + `"empty":{"dtype":"F64","shape":[0,3],"data_offsets":[12,12]}, "scalar":{"dtype":"BF16","shape":[],"data_offsets":[12,14]} }  `;
    await writeFile(file(), buildSafetensors(header, 14));
    const { metadata, tensors } = await readWeightsInfo(file());
    expect(metadata).to.deep.equal({});
    expect(tensors.map(({ name, shape }) => [name, shape])).to.deep.equal([["a", [1, 2]], ["bA😀", [2]], ["empty", [0,
      3]], ["scalar", []]]);
  });
});

describe("loading weights", () => {
  const entry = (shape: number[], begin: number, end: number, dtype = "F32"): object => ({ dtype, shape,
    data_offsets: [begin, end] });
  const text = (value: object): string => JSON.stringify(value);

  // Each of these is an untrusted file.
  const BROKEN: [what: string, code: ErrorCode, content: Uint8Array][] = [
    ["an empty file", "FILE_CORRUPT", new Uint8Array(0)],
    ["fewer bytes than a length", "FILE_CORRUPT", new Uint8Array(7)],
    ["a header of no bytes", "FILE_CORRUPT", new Uint8Array(8)],
    ["a header longer than the file", "FILE_CORRUPT",
      buildSafetensors(text({ a: entry([1], 0, 4) }), 4).subarray(0, 30)],
    ["a header of 2^64 - 1 bytes", "FILE_CORRUPT", new Uint8Array(64).fill(0xff)],
    ["text", "FILE_UNSUPPORTED", new TextEncoder().encode("these are no weights, but a renamed letter")],
    ["a zip archive", "FILE_CORRUPT", Uint8Array.of(0x50, 0x4b, 3, 4, ...new Array<number>(60).fill(0))],
    ["a header that is not JSON", "FILE_CORRUPT", buildSafetensors("{{{{", 4)],
    ["a header that is not an object", "FILE_CORRUPT", buildSafetensors("[]", 0)],
    ["data after the header's brace", "FILE_CORRUPT", buildSafetensors(`${text({ a: entry([1], 0, 4) })}x`, 4)],
    ["a truncated header", "FILE_CORRUPT", buildSafetensors(text({ a: entry([1], 0, 4) }).slice(0, -5), 4)],
    ["an unterminated string", "FILE_CORRUPT", buildSafetensors('{"a', 4)],
    ["half a surrogate pair", "FILE_CORRUPT", buildSafetensors('{"\\ud83d":{}}', 4)],
    ["truncated data", "FILE_CORRUPT", buildSafetensors({ a: entry([2], 0, 8) }, 7)],
    ["data too long", "FILE_CORRUPT", buildSafetensors({ a: entry([2], 0, 8) }, 9)],
    ["overlapping tensors", "FILE_CORRUPT", buildSafetensors({ a: entry([2], 0, 8), b: entry([2], 4, 12) }, 12)],
    ["two tensors in the same place", "FILE_CORRUPT",
      buildSafetensors({ a: entry([1], 0, 4), b: entry([1], 0, 4) }, 4)],
    ["a gap between tensors", "FILE_CORRUPT", buildSafetensors({ a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12)],
    ["a tensor that ends before it begins", "FILE_CORRUPT", buildSafetensors({ a: entry([1], 4, 0) }, 4)],
    ["more bytes than the shape requires", "FILE_CORRUPT", buildSafetensors({ a: entry([1], 0, 8) }, 8)],
    ["a shape whose size overflows", "FILE_CORRUPT",
      buildSafetensors('{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}', 0)],
    ["a length beyond 64 bits", "FILE_CORRUPT",
      buildSafetensors('{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}', 4)],
    ["a negative length", "FILE_CORRUPT", buildSafetensors({ a: entry([-1], 0, 4) }, 4)],
    ["a fractional length", "FILE_CORRUPT", buildSafetensors({ a: entry([1.5], 0, 6) }, 6)],
    ["one offset only", "FILE_CORRUPT", buildSafetensors({ a: { dtype: "F32", shape: [1], data_offsets: [0] } }, 4)],
    ["no shape", "FILE_CORRUPT", buildSafetensors({ a: { dtype: "F32", data_offsets: [0, 4] } }, 4)],
    ["a duplicate name", "FILE_CORRUPT",
      buildSafetensors(`{"a":${text(entry([1], 0, 4))},"a":${text(entry([1], 4, 8))}}`, 8)],
    ["metadata that are not strings", "FILE_CORRUPT", buildSafetensors({ __metadata__: { epoch: 7 } }, 0)],
    ["a type in lower case", "FILE_CORRUPT", buildSafetensors({ a: entry([1], 0, 4, "f32") }, 4)],
  ];

  for (const [what, code, content] of BROKEN) {
    it(`rejects ${what}`, async () => {
      await writeFile(file(), content);
      using model = await small(1);
      const before = await snapshot(model);
      const { message } = await failureOf(code, () => model.load(file()));
      expect(message).to.contain(file());
      await failureOf(code, () => readWeightsInfo(file()));
      expect(await snapshot(model)).to.deep.equal(before);
    });
  }

  it("lists entries of types that no network has, and refuses one that the network wants", async () => {
    await writeFile(file(), buildSafetensors({ a: entry([4], 0, 4, "F8_E4M3"), b: entry([1], 4, 8) }, 8));
    const { tensors, selection } = await readWeightsInfo(file());
    expect(tensors.map(({ name }) => name)).to.deep.equal(["b"]);
    expect(selection.unread).to.deep.equal([{ name: "a", type: "F8_E4M3" }]);
    await writeFile(file(), buildSafetensors({ "conv1.weight": entry([4], 0, 4, "F8_E4M3"), b: entry([1], 4, 8) }, 8));
    using model = await small(1);
    const { message } = await failureOf("FILE_UNSUPPORTED", () => model.load(file(), { strict: false }));
    expect(message).to.contain("conv1.weight").and.to.contain("F8_E4M3");
  });

  it("rejects a real file that was truncated anywhere", async () => {
    using model = await small(1);
    await model.save(file());
    const whole = await readFile(file());
    const before = await snapshot(model);
    for (const length of [0, 4, 8, 100, Math.floor(whole.length / 2), whole.length - 1]) {
      await writeFile(file("cut.safetensors"), whole.subarray(0, length));
      await failureOf("FILE_CORRUPT", () => model.load(file("cut.safetensors")));
    }
    expect(await snapshot(model)).to.deep.equal(before);
  });

  it("reports a file that is missing, a folder, locked or of another kind", async () => {
    using model = await small(1);
    const { message } = await failureOf("FILE_NOT_FOUND", () => model.load(file("none.safetensors")));
    expect(message).to.contain(file("none.safetensors"));
    await symlink("nowhere", file("dangling.safetensors"));
    await failureOf("FILE_NOT_FOUND", () => model.load(file("dangling.safetensors")));
    await mkdir(file("folder.safetensors"));
    await failureOf("FILE_ACCESS", () => model.load(file("folder.safetensors")));
    await writeFile(file("locked.safetensors"), "", { mode: 0 });
    await chmod(folder, 0o755);
    await asOrdinaryUser(async () => {
      await failureOf("FILE_ACCESS", () => model.load(file("locked.safetensors")));
    });
    await writeFile(file("weights.pth"), "");
    await failureOf("FILE_CORRUPT", () => model.load(file("weights.pth")));
    await failureOf("FILE_NOT_FOUND", () => createModel("resnet8", { weights: file("none.safetensors") }));
  });

  it("names the differences from weights of another network, and changes nothing", async () => {
    using other = await createModel("resnet8", { numClasses: 5 });
    await other.save(file());
    using model = await small(1);
    const before = await snapshot(model);
    const { message } = await failureOf("STATE_DICT_MISMATCH", () => model.load(file()));
    expect(message).to.contain("fc.weight (expected [3, 64], received [5, 64])");
    expect(await snapshot(model)).to.deep.equal(before);
    await failureOf("STATE_DICT_MISMATCH", () => createModel("resnet8", { numClasses: 3, weights: file() }));
  });

  it("loads part of a network when not strict, converting types", async () => {
    const values = Float64Array.of(0.5, -2, 3);
    await writeFile(file(), buildSafetensors({ "fc.bias": entry([3], 0, 24, "F64") }, new Uint8Array(values.buffer)));
    using model = await small(1);
    await failureOf("STATE_DICT_MISMATCH", () => model.load(file()));
    const { matched, missing, unexpected } = await model.load(file(), { strict: false });
    expect(matched).to.equal(1);
    expect(missing).to.include("conv1.weight").and.not.include("fc.bias");
    expect(unexpected).to.deep.equal([]);
    expect((await snapshot(model))["fc.bias"]).to.deep.equal([0.5, -2, 3]);
  });
});
