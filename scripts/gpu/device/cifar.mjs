#!/usr/bin/env node
// Compresses CIFAR-100's binary files to 56 % of their size, and restores them to the byte:  node cifar.mjs unpack
// PARTS DIRECTORY Each color is predicted from its neighbours to the left, above and diagonally (the median of LOCO-I,
// as in JPEG-LS), red and blue as differences from green; the small residuals are compressed by deflate's Huffman
// coding. xz alone reaches only 75 %.
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
const NAMES = /** @type {const} */ (["train", "test"]);
const INDEX = "index.json";
// Predictions of a plane with one row above and one column to the left, both zero.
const STRIDE = SIDE + 1;

/** @typedef {{ records: number, chunks: number, sha256: string }} Entry */

/**
 * The value of the residual at `at` of a padded plane: the pixel's prediction from its causal neighbours.
 *
 * @param {Int16Array} plane
 * @param {number} at
 */
function predict(plane, at) {
  const left = /** @type {number} */ (plane[at - 1]);
  const up = /** @type {number} */ (plane[at - STRIDE]);
  const corner = /** @type {number} */ (plane[at - STRIDE - 1]);
  const [low, high] = left < up ? [left, up] : [up, left];
  return corner >= high ? low : corner <= low ? high : left + up - corner;
}

/** @param {number} value modulo 256 @returns {number} from -128 to 127 */
const signed = (value) => (value << 24) >> 24;

/**
 * Visits the pixels of a plane in the order in which encoder and decoder both know the neighbours.
 *
 * @param {(pixel: number, at: number) => void} visit gets the index in the plane and in the padded plane
 */
function eachPixel(visit) {
  for (let row = 0; row < SIDE; ++row) {
    for (let column = 0; column < SIDE; ++column) visit(row * SIDE + column, (row + 1) * STRIDE + column + 1);
  }
}

/**
 * Compresses whole records.
 *
 * @param {Buffer} records
 * @returns {Buffer}
 */
export function encodeRecords(records) {
  const count = records.length / RECORD_BYTES;
  const labels = Buffer.alloc(count * LABELS);
  const residuals = Array.from({ length: 3 }, () => Buffer.alloc(count * PLANE));
  const plane = new Int16Array(STRIDE * STRIDE);
  for (let record = 0; record < count; ++record) {
    const begin = record * RECORD_BYTES + LABELS;
    records.copy(labels, record * LABELS, begin - LABELS, begin);
    for (const [color, target] of residuals.entries()) {
      eachPixel((pixel, at) => {
        const value = /** @type {number} */ (records[begin + color * PLANE + pixel]);
        plane[at] = color === 1 ? value : signed(value - /** @type {number} */ (records[begin + PLANE + pixel]));
        const rest = signed(/** @type {number} */ (plane[at]) - predict(plane, at));
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

/**
 * The inverse of `encodeRecords`.
 *
 * @param {Buffer} chunk
 * @returns {Buffer}
 */
export function decodeRecords(chunk) {
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
      const source = /** @type {Buffer} */ (residuals[color]);
      eachPixel((pixel, at) => {
        const coded = /** @type {number} */ (source[record * PLANE + pixel]);
        const value = predict(plane, at) + (coded & 1 ? -((coded + 1) >> 1) : coded >> 1);
        plane[at] = color === 1 ? value & 255 : signed(value);
        records[target + color * PLANE + pixel] = color === 1 ? value
          : value + /** @type {number} */ (records[target + PLANE + pixel]);
      });
    }
  }
  return records;
}

/**
 * Writes the packed data set to TARGET-1, TARGET-2, …, none of them above the limit.
 *
 * @param {string} source the directory of train.bin and test.bin
 * @param {string} target
 * @param {number} limitBytes
 * @param {number} [chunkRecords]
 * @returns {string[]} the directories
 */
export function packCifar(source, target, limitBytes, chunkRecords = CHUNK_RECORDS) {
  /** @type {[string, Buffer][]} */
  const files = [];
  /** @type {Record<string, Entry>} */
  const index = {};
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
  /** @type {string[]} */
  const parts = [];
  let size = Infinity;
  for (const [name, content] of files) {
    if (size + content.length > limitBytes) {
      parts.push(`${target}-${parts.length + 1}`);
      mkdirSync(/** @type {string} */ (parts.at(-1)), { recursive: true });
      size = 0;
    }
    size += content.length;
    writeFileSync(join(/** @type {string} */ (parts.at(-1)), name), content);
  }
  return parts;
}

/**
 * Restores train.bin and test.bin from the files of all parts in one directory.
 *
 * @param {string} source
 * @param {string} target
 * @returns {Record<string, Entry>}
 */
export function unpackCifar(source, target) {
  if (!existsSync(join(source, INDEX))) {
    throw new Error(
      `invalid data: expected all parts of the data set in ${source}, received ${existsSync(source) ? readdirSync(source).join(", ") || "none" : "none"}. Copy every .gpu-data-N.`,
    );
  }
  /** @type {Record<string, Entry>} */
  const index = JSON.parse(readFileSync(join(source, INDEX), "utf8"));
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

/** @param {string} name @param {number} chunk */
const chunkName = (name, chunk) => `${name}-${String(chunk).padStart(2, "0")}.cifar`;

/** @param {Buffer} content */
const sha256 = (content) => createHash("sha256").update(content).digest("hex");

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
