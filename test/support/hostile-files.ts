/** Untrusted files, each with the expected error code. Their memory cost is measured, too. */
import type { ErrorCode } from "../../lib/index.js";
import { archive, bytes, dict, global, legacy, long, pickle, tensor, text, tuple, u32, u64,
  zip } from "./pytorch-files.js";
import { array, binary } from "./numpy-files.js";
import { buildSafetensors } from "./safetensors.js";

export interface HostileFile {
  readonly what: string;
  readonly code: ErrorCode;
  readonly content: Uint8Array;
  /** Required text of the message. */
  readonly says?: string;
}

const named = (...parts: Parameters<typeof tensor>): Buffer => dict(text("weight"), tensor(...parts));

/** Pickles by defect; each is put into both layouts. */
const PICKLES: readonly (readonly [what: string, code: ErrorCode, content: Buffer, says?: string])[] = [
  ["a pickle that would run os.system", "FILE_UNSUPPORTED",
    pickle(global("os", "system"), tuple(text("echo hurt")), "R"), "os.system"],
  ["a pickle that would run posix.system by the name of protocol 4", "FILE_UNSUPPORTED",
    pickle(0x8c, 5, "posix", 0x8c, 6, "system", 0x93, tuple(text("echo hurt")), "R"), "posix.system"],
  ["a pickle that would evaluate code", "FILE_UNSUPPORTED", pickle(global("builtins", "eval"), tuple(text("1")), "R"),
    "builtins.eval"],
  ["a pickle of a whole network", "FILE_UNSUPPORTED", pickle(global("models.resnet", "ResNet"), ")\x81"),
    "models.resnet.ResNet"],
  ["a pickle that calls a type of storage", "FILE_CORRUPT",
    pickle(global("torch", "FloatStorage"), tuple(long(3)), "R")],
  ["a number of copyreg's registry", "FILE_UNSUPPORTED", pickle(0x82, 1), "copyreg"],
  ["an opcode that pickles never use", "FILE_UNSUPPORTED", pickle("?"), "63"],
  ["a list that contains itself", "FILE_UNSUPPORTED", pickle("]q\x00h\x00a"), "a list"],
  ["a dictionary that contains itself through a tuple", "FILE_UNSUPPORTED", pickle("}q\x00", text("a"), "h\x00\x85s"),
    "dictionary of named tensors"],
  ["a dictionary whose attributes contain it", "FILE_UNSUPPORTED", pickle("}q\x00}", text("a"), "h\x00sb"),
    "dictionary of named tensors"],
  ["a nesting of 10,000 lists", "FILE_UNSUPPORTED", pickle("]".repeat(10_000), "a".repeat(9_999)), "a list"],
  ["a module that contains itself twice", "FILE_UNSUPPORTED",
    pickle(global("my", "Net"), ")\x81q\x00",
      dict(text("_parameters"), "}", text("_modules"), dict(text("a"), "h\x00", text("b"), "h\x00")), "b"), "my.Net"],
  ["a million values", "FILE_UNSUPPORTED", pickle("(", Buffer.alloc(1_000_000, "N"), "l")],
  ["a million marks", "FILE_UNSUPPORTED", pickle(Buffer.alloc(1_000_000, "("))],
  ["lists of lists of lists that would unfold to 10^30", "FILE_UNSUPPORTED",
    pickle("]q\x00",
      ...Array.from({ length: 30 },
        (_, level) => bytes("](", ...Array<Buffer>(10).fill(bytes("h", level)), "eq", level + 1))),
    "dictionary of named tensors"],
  ["a memo entry at an unreachable index", "FILE_UNSUPPORTED", pickle("Nr", u32(0xfffffff0))],
  ["a value that was never stored in the memo", "FILE_CORRUPT", pickle("h\x05")],
  ["a stack that is empty", "FILE_CORRUPT", pickle("R")],
  ["a text longer than the file", "FILE_CORRUPT", pickle("X", u32(0xffffffff), "abc")],
  ["a name that is not UTF-8", "FILE_CORRUPT", pickle(dict(bytes("X", u32(2), 0xc3, 0x28), tensor()))],
  ["a duplicate name", "FILE_CORRUPT", pickle(dict(text("weight"), tensor(), text("weight"), tensor()))],
  ["no tensors", "FILE_UNSUPPORTED", pickle(dict(text("epoch"), "K\x03")), "torch.save(model.state_dict()"],
  ["a tensor without a name", "FILE_UNSUPPORTED", pickle(tensor())],
  ["a negative length", "FILE_CORRUPT", pickle(named({ shape: [-3] }))],
  ["a negative stride", "FILE_CORRUPT", pickle(named({ strides: [-1], offset: 2 }))],
  ["a negative offset", "FILE_CORRUPT", pickle(named({ offset: -1 }))],
  ["a negative count of elements", "FILE_CORRUPT", pickle(named({ elements: -3 }))],
  ["a shape beyond the storage", "FILE_CORRUPT", pickle(named({ shape: [4] }))],
  ["an offset beyond the storage", "FILE_CORRUPT", pickle(named({ offset: 1 }))],
  ["a stride beyond the storage", "FILE_CORRUPT", pickle(named({ strides: [2] }))],
  ["a shape whose size overflows", "FILE_CORRUPT", pickle(named({ shape: [2n ** 62n, 8n], strides: [0, 0] }))],
  ["strides whose reach overflows", "FILE_CORRUPT", pickle(named({ shape: [3, 3], strides: [2n ** 62n, 2n ** 62n] }))],
  ["other than one stride for each dimension", "FILE_CORRUPT", pickle(named({ shape: [3], strides: [1, 1] }))],
  ["a shape of a hundred dimensions", "FILE_CORRUPT",
    pickle(named({ shape: Array<number>(100).fill(1), strides: Array<number>(100).fill(1) }))],
  ["three elements repeated 2^50 times", "FILE_UNSUPPORTED", pickle(named({ shape: [2n ** 50n, 3n], strides: [0, 1] })),
    "contiguous"],
  ["a storage of 2^60 elements", "FILE_CORRUPT", pickle(named({ elements: 2n ** 60n, shape: [2n ** 60n] }))],
  ["a storage whose bytes overflow", "FILE_CORRUPT", pickle(named({ elements: 2n ** 62n, shape: [2n ** 62n] }))],
  ["a type that is a number", "FILE_CORRUPT", pickle(named({ dtype: long(-(2n ** 63n)) }))],
  ["a storage with two sizes", "FILE_CORRUPT",
    pickle(dict(text("a"), tensor(), text("b"), tensor({ elements: 2, shape: [2] })))],
];

/** Defects of the archive around a valid pickle. */
function archives(): HostileFile[] {
  const good = pickle(named());
  const record = { name: "archive/data.pkl", content: good };
  const storage = { name: "archive/data/0", content: new Uint8Array(12) };
  const whole = zip([record, storage]);
  const zip64 = (position: bigint, records: bigint): Buffer => {
    const end = bytes("PK\x06\x06", u64(44), u32(0), u32(0), u32(0), u64(records), u64(records), u64(2n ** 60n),
      u64(position));
    return bytes(whole.subarray(0, -22), end, "PK\x06\x07", u32(0), u64(whole.length - 22), u32(1),
      whole.subarray(-22));
  };
  return [
    { what: "a zip bomb", code: "FILE_UNSUPPORTED", content: zip([{ ...record, method: 8 }, storage]),
      says: "compressed" },
    { what: "an encrypted record", code: "FILE_UNSUPPORTED", content: zip([{ ...record, flags: 1 }, storage]),
      says: "encrypted" },
    { what: "records that overlap", code: "FILE_CORRUPT",
      content: zip([{ ...record, size: good.length + 40 }, storage]), says: "overlap" },
    { what: "one record at the offset of another", code: "FILE_CORRUPT",
      content: zip([record, { ...storage, offset: 0 }]) },
    { what: "a duplicate record", code: "FILE_CORRUPT", content: zip([record, storage, storage]) },
    { what: "a record of 4 GiB", code: "FILE_CORRUPT", content: zip([record, { ...storage, size: 0xfffffffe }]) },
    { what: "a record that begins beyond the file", code: "FILE_CORRUPT",
      content: zip([record, { ...storage, offset: 0x7fffffff }]) },
    { what: "60,000 missing records", code: "FILE_CORRUPT", content: zip([record, storage], { count: 60_000 }) },
    { what: "a directory of 2^60 bytes in zip64", code: "FILE_CORRUPT", content: zip64(0n, 2n) },
    { what: "2^60 records in zip64", code: "FILE_CORRUPT", content: zip64(2n ** 60n, 2n ** 60n) },
    { what: "a pickle that does not end", code: "FILE_CORRUPT", content: archive(good.subarray(0, -1)) },
    { what: "a missing storage", code: "FILE_CORRUPT", content: archive(good, {}), says: "data/0" },
    { what: "a storage that is too short", code: "FILE_CORRUPT", content: archive(good, { 0: new Uint8Array(11) }) },
    { what: "an archive of something else", code: "FILE_UNSUPPORTED",
      content: zip([{ name: "letter.txt", content: Buffer.from("dear reader") }]), says: "letter.txt" },
    { what: "big-endian numbers", code: "FILE_UNSUPPORTED",
      content: zip([record, storage, { name: "archive/byteorder", content: Buffer.from("big") }]), says: "big-endian" },
    { what: "complex numbers alone", code: "FILE_UNSUPPORTED",
      content: archive(pickle(named({ type: "ComplexFloatStorage" }))), says: "weight (ComplexFloatStorage)" },
    { what: "an archive cut in half", code: "FILE_CORRUPT", content: whole.subarray(0, whole.length / 2) },
    { what: "an archive without its last byte", code: "FILE_CORRUPT", content: whole.subarray(0, -1) },
  ];
}

/** Defects of the stream around a valid pickle. */
function streams(): HostileFile[] {
  const good = pickle(named());
  const values = new Uint8Array(12);
  return [
    { what: "a pickle that torch.save did not write", code: "FILE_UNSUPPORTED",
      content: pickle(dict(text("a"), "K\x01")), says: "torch.save" },
    { what: "another magic number", code: "FILE_UNSUPPORTED",
      content: legacy(good, { magic: bytes(0x8a, 10, Buffer.alloc(10, 1)) }) },
    { what: "a big-endian stream", code: "FILE_UNSUPPORTED", content: legacy(good, { little: false }),
      says: "big-endian" },
    { what: "a listed storage without a tensor", code: "FILE_CORRUPT", content: legacy(good, { keys: ["0", "1"] }) },
    { what: "a storage listed twice", code: "FILE_CORRUPT",
      content: legacy(pickle(dict(text("a"), tensor(), text("b"), tensor({ key: "1" }))), { keys: ["0", "0"] }) },
    { what: "an unlisted storage", code: "FILE_CORRUPT", content: legacy(good, { keys: [] }) },
    { what: "a storage that claims 2^60 elements", code: "FILE_CORRUPT",
      content: legacy(good, { storages: [{ elements: 2n ** 60n, values }] }) },
    { what: "a truncated storage", code: "FILE_CORRUPT", content: legacy(good).subarray(0, -1) },
    { what: "a stream truncated after its pickles", code: "FILE_CORRUPT", content: legacy(good, { storages: [] }) },
    { what: "a view beyond its storage", code: "FILE_CORRUPT",
      content: legacy(pickle(named({ shape: [2], view: tuple(text("1"), "K\x02", "K\x02") }))) },
    { what: "a tar archive of 2017", code: "FILE_UNSUPPORTED",
      content: bytes("storages", Buffer.alloc(249), "ustar\x00", Buffer.alloc(300)), says: "tar" },
  ];
}

/** Defects of arrays in a pickle, whose elements lie within it. */
function arrays(): HostileFile[] {
  const named = (...parts: Parameters<typeof array>): Buffer =>
    pickle(dict(text("good"), array(), text("weight"), array(...parts)));
  const shared = bytes(text("a0"),
    array({ code: "u1", shape: [2 ** 20], elements: bytes(binary(new Uint8Array(2 ** 20)), "r", u32(0)) }));
  const repeated = Array.from({ length: 200 },
    (_, index) => bytes(text(`a${index + 1}`), array({ code: "u1", shape: [2 ** 20], elements: bytes("j", u32(0)) })));
  return [
    { what: "an array of 2^60 elements", code: "FILE_CORRUPT", content: named({ shape: [2n ** 60n] }) },
    { what: "an array whose size overflows", code: "FILE_CORRUPT", content: named({ shape: [2n ** 40n, 2n ** 40n] }) },
    { what: "an array of negative length", code: "FILE_CORRUPT", content: named({ shape: [-3] }) },
    { what: "an array with fewer bytes than its shape has", code: "FILE_CORRUPT", content: named({ shape: [4] }) },
    { what: "an array of 4 GiB that the file lacks", code: "FILE_CORRUPT",
      content: named({ elements: bytes("B", u32(0xffffffff)) }) },
    { what: "an array of 2^64 - 1 bytes", code: "FILE_CORRUPT",
      content: named({ elements: bytes(0x8e, u64(2n ** 64n - 1n)) }) },
    { what: "escapes that stand for no bytes", code: "FILE_CORRUPT", content: named({ elements: "S'\\q'\n" }) },
    { what: "nothing but an array of Python objects", code: "FILE_UNSUPPORTED",
      content: pickle(dict(text("a"), array({ code: "O8", elements: "]" }))), says: "a (O8)" },
    { what: "nothing but an array of complex numbers", code: "FILE_UNSUPPORTED",
      content: pickle(dict(text("a"), array({ code: "c8" }))), says: "a (c8)" },
    { what: "one MiB that 200 arrays repeat", code: "FILE_UNSUPPORTED", content: pickle(dict(shared, ...repeated)),
      says: "repeats" },
    { what: "a million lines of protocol 0", code: "FILE_UNSUPPORTED",
      content: bytes("(dp0\n(", "I1\n".repeat(1_000_000), "l.") },
    { what: "a line without an end", code: "FILE_CORRUPT", content: bytes("(dp0\nS'", Buffer.alloc(2 ** 20, "a")) },
    { what: "a call in place of the only array", code: "FILE_UNSUPPORTED",
      content: pickle(dict(text("weight"), global("os", "system"), tuple(text("true")), "R")),
      says: "dictionary of named tensors" },
  ];
}

function safetensors(): HostileFile[] {
  const entry = (shape: number[], begin: number, end: number): object => ({ dtype: "F32", shape,
    data_offsets: [begin, end] });
  return [
    { what: "a header of 2^60 bytes", code: "FILE_CORRUPT", content: bytes(u64(2n ** 60n), "{}", Buffer.alloc(100)) },
    { what: "a header of 4 GiB less one byte", code: "FILE_CORRUPT",
      content: bytes(u64(0xffffffff), "{}", Buffer.alloc(100)) },
    { what: "overlapping tensors", code: "FILE_CORRUPT",
      content: buildSafetensors({ a: entry([2], 0, 8), b: entry([2], 4, 12) }, 12) },
    { what: "a length of -1", code: "FILE_CORRUPT", content: buildSafetensors({ a: entry([-1], 0, 4) }, 4) },
    { what: "no elements in a shape that overflows", code: "FILE_CORRUPT", content: buildSafetensors(
      '{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904,0],"data_offsets":[0,0]}}',
      0,
    ) },
    { what: "a header of nothing but names", code: "FILE_CORRUPT",
      content: buildSafetensors(`{${'"a":'.repeat(1_000_000)}`, 0) },
    { what: "a name that is not UTF-8", code: "FILE_CORRUPT",
      content: bytes(u64(14), '{"', 0xc3, 0x28, '":{}}      '.slice(0, 10)) },
  ];
}

export const HOSTILE_FILES: readonly HostileFile[] = [
  ...PICKLES.flatMap(([what, code, content, says]) => [
    { what: `${what}, in an archive`, code, content: archive(content), ...(says === undefined ? {} : { says }) },
    { what: `${what}, in a stream`, code,
      content: content.includes("storage") ? legacy(content) : legacy(content, { keys: [], storages: [] }),
      ...(says === undefined ? {} : { says }) },
  ]),
  ...archives(),
  ...streams(),
  ...arrays(),
  ...safetensors(),
];
