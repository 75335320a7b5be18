// The tables of a library for Windows: the libraries that it loads, its exports, and the ranges of its code.
// Microsoft: "PE Format", https://learn.microsoft.com/windows/win32/debug/pe-format
import { Bytes } from "./bytes.mjs";

/**
 * @typedef {object} PeLibrary
 * @property {string[]} needed names of the libraries that it loads immediately
 * @property {string[]} delayed those that it loads when they are first called
 * @property {string[]} exports names that it exports
 * @property {{ offset: number, size: number }[]} code ranges of the file
 */

const EXPORTS = 0;
const IMPORTS = 1;
const DELAYED = 13;
const HOLDS_CODE = 0x20;

/**
 * @param {string} path of a 64-bit library
 * @returns {Promise<PeLibrary>}
 * @throws {BuildError} LIBRARY_DAMAGED
 */
export function readPe(path) {
  return Bytes.of(path, async (bytes) => {
    const headers = await readHeaders(bytes);
    const { directories, sections, at } = headers;
    return {
      needed: await namesOf(bytes, headers, directories[IMPORTS], 20, 12),
      delayed: await namesOf(bytes, headers, directories[DELAYED], 32, 4),
      exports: await exportsOf(bytes, at, directories[EXPORTS]),
      code: sections.filter(({ flags }) => (flags & HOLDS_CODE) !== 0).map(({ offset, stored, size }) => ({ offset,
        size: Math.min(stored, size) })
      ),
    };
  });
}

/** @param {Bytes} bytes */
async function readHeaders(bytes) {
  const dos = await bytes.read(0, 64);
  if (dos.toString("latin1", 0, 2) !== "MZ") throw bytes.damaged("a library for Windows");
  const start = dos.readUInt32LE(0x3c);
  const coff = await bytes.read(start, 24);
  if (coff.readUInt32LE(0) !== 0x4550) throw bytes.damaged("a library for Windows");
  const optional = await bytes.read(start + 24, coff.readUInt16LE(20));
  if (optional.readUInt16LE(0) !== 0x20b) throw bytes.damaged("a 64-bit library");
  const directories = Array.from({ length: Math.min(16, optional.readUInt32LE(108)) },
    (_, index) => optional.readUInt32LE(112 + 8 * index));
  const count = coff.readUInt16LE(6);
  const table = await bytes.read(start + 24 + optional.length, 40 * count);
  const sections = Array.from({ length: count }, (_, index) => table.subarray(40 * index, 40 * index + 40)).map((
    section,
  ) => ({
    size: section.readUInt32LE(8),
    address: section.readUInt32LE(12),
    stored: section.readUInt32LE(16),
    offset: section.readUInt32LE(20),
    flags: section.readUInt32LE(36),
  }));
  /** The file offset of an address of the loaded library. */
  const at = (/** @type {number} */ address) => {
    const section = sections.find((candidate) =>
      address >= candidate.address && address < candidate.address + candidate.stored
    );
    if (section === undefined) throw bytes.damaged(`a section with the address ${address}`);
    return address - section.address + section.offset;
  };
  return { directories, sections, at };
}

/**
 * The names of a table whose last entry is all zeros.
 *
 * @param {Bytes} bytes
 * @param {{ at: (address: number) => number }} headers
 * @param {number | undefined} table its address; 0 if absent
 * @param {number} entrySize
 * @param {number} nameAt the offset of the name's address in an entry
 */
async function namesOf(bytes, { at }, table, entrySize, nameAt) {
  /** @type {string[]} */
  const names = [];
  if (table === undefined || table === 0) return names;
  for (let offset = at(table);; offset += entrySize) {
    const name = (await bytes.read(offset, entrySize)).readUInt32LE(nameAt);
    if (name === 0) return names;
    names.push(await bytes.text(at(name)));
  }
}

/**
 * @param {Bytes} bytes
 * @param {(address: number) => number} at
 * @param {number | undefined} table
 */
async function exportsOf(bytes, at, table) {
  if (table === undefined || table === 0) return [];
  const directory = await bytes.read(at(table), 40);
  const count = directory.readUInt32LE(24);
  if (count === 0) return [];
  const names = await bytes.read(at(directory.readUInt32LE(32)), 4 * count);
  const exported = [];
  for (let index = 0; index < count; ++index) exported.push(await bytes.text(at(names.readUInt32LE(4 * index))));
  return exported;
}
