/**
 * PyTorch files assembled by hand, independently of the native code: pickles opcode by opcode, archives, legacy
 * streams.
 */
import { crc32 } from "node:zlib";

/** Bytes given as text (one byte per character), numbers (one byte each) or bytes. */
export type Part = string | number | Uint8Array;

export function bytes(...parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map((
      part,
    ) => (typeof part === "string" ? Buffer.from(part, "latin1") : typeof part === "number" ? Buffer.of(part) : part)),
  );
}

function littleEndian(value: number | bigint, width: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return buffer.subarray(0, width);
}

export const u16 = (value: number): Buffer => littleEndian(value, 2);
export const u32 = (value: number): Buffer => littleEndian(value, 4);
export const u64 = (value: number | bigint): Buffer => littleEndian(value, 8);

/** BINUNICODE. */
export const text = (value: string): Buffer => bytes("X", u32(Buffer.byteLength(value)), Buffer.from(value));

/** LONG1 of eight bytes: any integer that fits. */
export const long = (value: number | bigint): Buffer => bytes(0x8a, 8, u64(value));

export const global = (module: string, name: string): Buffer => bytes("c", module, "\n", name, "\n");
export const tuple = (...items: readonly Part[]): Buffer => bytes("(", ...items, "t");
export const dict = (...entries: readonly Part[]): Buffer => bytes("}(", ...entries, "u");
const ORDERED_DICT = bytes(global("collections", "OrderedDict"), ")R");

export interface TensorParts {
  readonly type?: string;
  readonly key?: string;
  readonly elements?: number | bigint;
  readonly offset?: number | bigint;
  readonly shape?: readonly (number | bigint)[];
  readonly strides?: readonly (number | bigint)[];
  /** The last element of the storage's persistent id: the view of the legacy layout. */
  readonly view?: Part;
  /** The type of a tensor in an untyped storage, such as `global("torch", "int16")`. */
  readonly dtype?: Part;
}

/** A tensor as torch.save writes it; by default three float32 in storage "0". */
export function tensor(
  { type = "FloatStorage", key = "0", elements = 3, offset = 0, shape = [3], strides = [1], view = "", dtype }:
    TensorParts = {},
): Buffer {
  const storage = tuple(text("storage"), global("torch", type), text(key), text("cpu"), long(elements), view);
  return bytes(
    global("torch._utils", dtype === undefined ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3"),
    tuple(storage, "Q", long(offset), tuple(...shape.map(long)), tuple(...strides.map(long)), 0x89, ORDERED_DICT,
      dtype ?? ""),
    "R",
  );
}

/** Protocol 2. */
export const pickle = (...parts: readonly Part[]): Buffer => bytes(0x80, 2, ...parts, ".");

export interface ZipRecord {
  readonly name: string;
  readonly content: Uint8Array;
  /** False values for the headers. */
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  readonly size?: number;
  readonly offset?: number;
}

/** An archive of these records, stored. `zip64`: sizes and offsets are in 64-bit extra fields. */
export function zip(records: readonly ZipRecord[],
  { count = records.length, zip64 = false }: { readonly count?: number; readonly zip64?: boolean } = {}): Buffer {
  const files: Buffer[] = [];
  const entries: Buffer[] = [];
  let position = 0;
  for (const { name, content, method = 0, flags = 0, crc = crc32(content), size = content.length, offset = position }
    of records) {
    const common = bytes(u16(flags), u16(method), u32(0), u32(crc));
    const file = bytes("PK\x03\x04", u16(0), common, u32(size), u32(size), u16(name.length), u16(0), name, content);
    const large = u32(0xffffffff);
    // The first field is irrelevant here and must be skipped.
    const extra = zip64 ? bytes(u16(0x5455), u16(1), 7, u16(1), u16(24), u64(size), u64(size), u64(offset)) : bytes();
    const sizes = zip64 ? [large, large] : [u32(size), u32(size)];
    entries.push(
      bytes("PK\x01\x02", u32(0), common, ...sizes, u16(name.length), u16(extra.length), Buffer.alloc(10),
        zip64 ? large : u32(offset), name, extra),
    );
    files.push(file);
    position += file.length;
  }
  const directory = Buffer.concat(entries);
  const end64 = bytes("PK\x06\x06", u64(44), u32(0), u32(0), u32(0), u64(count), u64(count), u64(directory.length),
    u64(position), "PK\x06\x07", u32(0), u64(position + directory.length), u32(1));
  if (zip64)
    return bytes(Buffer.concat(files), directory, end64, "PK\x05\x06", u32(0), u16(0xffff), u16(0xffff),
      u32(0xffffffff), u32(0xffffffff), u16(0));
  return bytes(Buffer.concat(files), directory, "PK\x05\x06", u32(0), u16(count), u16(count), u32(directory.length),
    u32(position), u16(0));
}

/** An archive of torch.save: a pickle and its storages by key. */
export function archive(content: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = { 0: new Uint8Array(12) }): Buffer {
  return zip([
    { name: "archive/data.pkl", content },
    ...Object.entries(storages).map(([key, values]) => ({ name: `archive/data/${key}`, content: values })),
  ]);
}

const MAGIC = bytes(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19);

export interface LegacyParts {
  readonly magic?: Part;
  readonly little?: boolean;
  readonly keys?: readonly string[];
  /** Of each storage, after the pickles. */
  readonly storages?: readonly { readonly elements: number | bigint; readonly values: Uint8Array }[];
}

/** The stream of torch.save before 1.6. */
export function legacy(content: Uint8Array,
  { magic = MAGIC, little = true, keys = ["0"], storages = [{ elements: 3, values: new Uint8Array(12) }] }:
    LegacyParts = {}): Buffer {
  return bytes(
    pickle(magic),
    pickle("M", u16(1001)),
    pickle(dict(text("protocol_version"), "M", u16(1001), text("little_endian"), little ? 0x88 : 0x89)),
    content,
    pickle("](", ...keys.map(text), "e"),
    ...storages.flatMap(({ elements, values }) => [u64(elements), values]),
  );
}
