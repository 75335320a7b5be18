#!/usr/bin/env node
// Compresses CIFAR-100's binary files to 56 % of their size, and restores them to the byte:
// node --import tsx cifar.ts unpack PARTS DIRECTORY. Each color is predicted from its neighbours to the left, above and
// diagonally (the median of LOCO-I, as in JPEG-LS), red and blue as differences from green; the small residuals are
// compressed by deflate's Huffman coding. xz alone reaches only 75 %.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { fileURLToPath } from "node:url";

const SIDE = 32;
const PLANE = SIDE * SIDE;
const LABELS = 2;
export const RECORD_BYTES = LABELS + 3 * PLANE;
/** Records per file: few enough for several files to fit into a part. */
const CHUNK_RECORDS = 5000;
const NAMES = ["train", "test"] as const;
const INDEX = "index.json";
// Predictions of a plane with one row above and one column to the left, both zero.
const STRIDE = SIDE + 1;

interface Entry {
  records: number;
  chunks: number;
  sha256: string;
}

/** The value of the residual at `at` of a padded plane: the pixel's prediction from its causal neighbours. */
function predict(plane: Int16Array, at: number): number {
  const left = plane[at - 1] as number;
  const up = plane[at - STRIDE] as number;
  const corner = plane[at - STRIDE - 1] as number;
  const [low, high] = left < up ? [left, up] : [up, left];
  return corner >= high ? low : corner <= low ? high : left + up - corner;
}

/** A value modulo 256, from -128 to 127. */
const signed = (value: number): number => (value << 24) >> 24;

/** Visits the pixels of a plane by their index in it and in the padded plane, in the order of encoder and decoder. */
function eachPixel(visit: (pixel: number, at: number) => void): void {
  for (let row = 0; row < SIDE; ++row) {
    for (let column = 0; column < SIDE; ++column) visit(row * SIDE + column, (row + 1) * STRIDE + column + 1);
  }
}

/** Compresses whole records. */
export function encodeRecords(records: Buffer): Buffer {
  const count = records.length / RECORD_BYTES;
  const labels = Buffer.alloc(count * LABELS);
  const residuals = Array.from({ length: 3 }, () => Buffer.alloc(count * PLANE));
  const plane = new Int16Array(STRIDE * STRIDE);
  for (let record = 0; record < count; ++record) {
    const begin = record * RECORD_BYTES + LABELS;
    records.copy(labels, record * LABELS, begin - LABELS, begin);
    for (const [color, target] of residuals.entries()) {
      eachPixel((pixel, at) => {
        const value = records[begin + color * PLANE + pixel] as number;
        plane[at] = color === 1 ? value : signed(value - (records[begin + PLANE + pixel] as number));
        const rest = signed(plane[at] - predict(plane, at));
        target[record * PLANE + pixel] = rest < 0 ? -2 * rest - 1 : 2 * rest;
      });
    }
  }
  const streams = [labels, ...residuals].map((stream) =>
    deflateRawSync(stream, { strategy: constants.Z_HUFFMAN_ONLY, memLevel: 9 })
  );
  const sizes = Buffer.alloc(4 * streams.length);
  streams.forEach((stream, index) => sizes.writeUInt32LE(stream.length, 4 * index));
  return Buffer.concat([sizes, ...streams]);
}

/** The inverse of `encodeRecords`. */
export function decodeRecords(chunk: Buffer): Buffer {
  let begin = 16;
  const [labels, ...residuals] = Array.from({ length: 4 }, (_, index) => {
    const end = begin + chunk.readUInt32LE(4 * index);
    const stream = inflateRawSync(chunk.subarray(begin, end));
    begin = end;
    return stream;
  });
  if (labels === undefined)
    throw new Error("invalid chunk: expected four streams, received none. Pack the data set again.");
  const records = Buffer.alloc((labels.length / LABELS) * RECORD_BYTES);
  const plane = new Int16Array(STRIDE * STRIDE);
  for (let record = 0; record * LABELS < labels.length; ++record) {
    const target = record * RECORD_BYTES + LABELS;
    labels.copy(records, target - LABELS, record * LABELS, (record + 1) * LABELS);
    for (const color of [1, 0, 2]) { // green first: the others are differences from it
      const source = residuals[color] as Buffer;
      eachPixel((pixel, at) => {
        const coded = source[record * PLANE + pixel] as number;
        const value = predict(plane, at) + (coded & 1 ? -((coded + 1) >> 1) : coded >> 1);
        plane[at] = color === 1 ? value & 255 : signed(value);
        records[target + color * PLANE + pixel] = color === 1 ? value
          : value + (records[target + PLANE + pixel] as number);
      });
    }
  }
  return records;
}

/** Writes train.bin and test.bin to directories TARGET-1, TARGET-2, …, none above the limit, and returns them. */
export function packCifar(source: string, target: string, limitBytes: number, chunkRecords = CHUNK_RECORDS): string[] {
  const files: [string, Buffer][] = [];
  const index: Record<string, Entry> = {};
  for (const name of NAMES) {
    const raw = readFileSync(join(source, `${name}.bin`));
    if (raw.length === 0 || raw.length % RECORD_BYTES !== 0) {
      throw new Error(
        `invalid ${name}.bin: expected records of ${RECORD_BYTES} bytes, received ${raw.length} bytes. Use the binary version of CIFAR-100.`,
      );
    }
    const chunks = Math.ceil(raw.length / RECORD_BYTES / chunkRecords);
    for (let chunk = 0; chunk < chunks; ++chunk) {
      const bytes = chunkRecords * RECORD_BYTES;
      files.push([chunkName(name, chunk), encodeRecords(raw.subarray(chunk * bytes, (chunk + 1) * bytes))]);
    }
    index[name] = { records: raw.length / RECORD_BYTES, chunks, sha256: sha256(raw) };
  }
  files.push([INDEX, Buffer.from(`${JSON.stringify(index)}\n`)]);
  const parts: string[] = [];
  let size = Infinity;
  for (const [name, content] of files) {
    if (size + content.length > limitBytes) {
      parts.push(`${target}-${parts.length + 1}`);
      mkdirSync(parts.at(-1) as string, { recursive: true });
      size = 0;
    }
    size += content.length;
    writeFileSync(join(parts.at(-1) as string, name), content);
  }
  return parts;
}

/** Restores train.bin and test.bin from the files of all parts in one directory. */
export function unpackCifar(source: string, target: string): Record<string, Entry> {
  if (!existsSync(join(source, INDEX))) {
    throw new Error(
      `invalid data: expected all parts of the data set in ${source}, received ${existsSync(source) ? readdirSync(source).join(", ") || "none" : "none"}. Copy every .gpu-data-N.`,
    );
  }
  const index = JSON.parse(readFileSync(join(source, INDEX), "utf8")) as Record<string, Entry>;
  mkdirSync(target, { recursive: true });
  for (const [name, entry] of Object.entries(index)) {
    const names = Array.from({ length: entry.chunks }, (_, chunk) => chunkName(name, chunk));
    const missing = names.filter((chunk) => !existsSync(join(source, chunk)));
    if (missing.length > 0)
      throw new Error(
        `invalid data: expected ${names.length} chunks of ${name}.bin, received none of ${missing.join(", ")}. Copy every .gpu-data-N.`,
      );
    const raw = Buffer.concat(names.map((chunk) => decodeRecords(readFileSync(join(source, chunk)))));
    if (sha256(raw) !== entry.sha256)
      throw new Error(
        `invalid data: expected SHA-256 ${entry.sha256} for ${name}.bin, received ${sha256(raw)}. Pack the data set again.`,
      );
    writeFileSync(join(target, `${name}.bin`), raw);
  }
  return index;
}

const chunkName = (name: string, chunk: number): string => `${name}-${String(chunk).padStart(2, "0")}.cifar`;

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [command, source, target, ...others] = process.argv.slice(2);
  if (command !== "unpack" || source === undefined || target === undefined || others.length > 0) {
    process.stderr.write(
      `USAGE: invalid arguments: expected unpack PARTS DIRECTORY, received ${process.argv.slice(2).join(" ") || "none"}. Name the directory of the parts and that of the result.\n`,
    );
    process.exitCode = 2;
  } else {
    for (const [name, { records }] of Object.entries(unpackCifar(source, target)))
      console.log(`${name}.bin: ${records} records, checksum verified`);
  }
}
