// The tables of a library for Windows: the libraries that it loads, its exports, and the ranges of its code.
// Microsoft: "PE Format", https://learn.microsoft.com/windows/win32/debug/pe-format
import { Bytes } from "./bytes.js";

const EXPORTS = 0;
const IMPORTS = 1;
const DELAYED = 13;
const HOLDS_CODE = 0x20;

/**
 * The names of the libraries that a 64-bit library loads immediately and when they are first called, of its exports,
 * and the ranges of the file with code.
 *
 * @throws BuildError LIBRARY_DAMAGED.
 */
export function readPe(path: string) {
  return Bytes.of(path, async (bytes) => {
    const headers = await readHeaders(bytes);
    const { directories, sections, at } = headers;
    const code = sections.filter(({ flags }) => (flags & HOLDS_CODE) !== 0);
    return {
      needed: await namesOf(bytes, headers, directories[IMPORTS], 20, 12),
      delayed: await namesOf(bytes, headers, directories[DELAYED], 32, 4),
      exports: await exportsOf(bytes, at, directories[EXPORTS]),
      code: code.map(({ offset, stored, size }) => ({ offset, size: Math.min(stored, size) })),
    };
  });
}

async function readHeaders(bytes: Bytes) {
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
  const table = await bytes.table(start + 24 + optional.length, 40, count);
  const sections = table.map((section) => ({
    size: section.readUInt32LE(8),
    address: section.readUInt32LE(12),
    stored: section.readUInt32LE(16),
    offset: section.readUInt32LE(20),
    flags: section.readUInt32LE(36),
  }));
  /** The file offset of an address of the loaded library. */
  const at = (address: number): number => {
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
 * @param table - Its address; 0 if absent.
 * @param nameAt - The offset of the name's address in an entry.
 */
async function namesOf(bytes: Bytes, { at }: { at: (address: number) => number }, table: number | undefined,
  entrySize: number, nameAt: number): Promise<string[]> {
  const names: string[] = [];
  if (table === undefined || table === 0) return names;
  for (let offset = at(table);; offset += entrySize) {
    const name = (await bytes.read(offset, entrySize)).readUInt32LE(nameAt);
    if (name === 0) return names;
    names.push(await bytes.text(at(name)));
  }
}

async function exportsOf(bytes: Bytes, at: (address: number) => number, table: number | undefined): Promise<string[]> {
  if (table === undefined || table === 0) return [];
  const directory = await bytes.read(at(table), 40);
  const count = directory.readUInt32LE(24);
  if (count === 0) return [];
  const names = await bytes.read(at(directory.readUInt32LE(32)), 4 * count);
  const exported: string[] = [];
  for (let index = 0; index < count; ++index) exported.push(await bytes.text(at(names.readUInt32LE(4 * index))));
  return exported;
}
