// The code ranges of an ELF library and the function of each. System V: "Executable and Linkable Format".
import { Bytes } from "./bytes.js";

/** A range of a library's code: where it is in the file, and the mangled name of its function. */
export interface Part {
  offset: number;
  size: number;
  name?: string;
}

const SYMBOLS = 2;
const EXECUTABLE = 4n;
const FUNCTION = 2;

/** The ranges that contain code. @throws BuildError LIBRARY_DAMAGED. */
export function codeOfElf(path: string): Promise<Part[]> {
  return Bytes.of(path, async (bytes) => {
    const sections = await sectionsOf(bytes);
    return sections.filter(({ flags, type }) => (flags & EXECUTABLE) !== 0n && type === 1);
  });
}

/**
 * The functions in file order, each byte once, of a library that was not stripped. @throws BuildError LIBRARY_DAMAGED.
 */
export function functionsOfElf(path: string): Promise<Part[]> {
  return Bytes.of(path, async (bytes) => {
    const sections = await sectionsOf(bytes);
    const table = sections.find(({ type }) => type === SYMBOLS);
    const names = table === undefined ? undefined : sections[table.link];
    if (table === undefined || names === undefined) throw bytes.damaged("symbols (is it stripped?)");
    const symbols = await bytes.read(table.offset, table.size);
    const strings = await bytes.read(names.offset, names.size);
    // By offset: aliases share one.
    const functions = new Map<number, Part>();
    for (let at = 0; at + 24 <= symbols.length; at += 24) {
      const section = sections[symbols.readUInt16LE(at + 6)];
      const size = Number(symbols.readBigUInt64LE(at + 16));
      if ((symbols.readUInt8(at + 4) & 0xf) !== FUNCTION || size === 0 || section === undefined || section.type !== 1)
        continue;
      const offset = Number(symbols.readBigUInt64LE(at + 8)) - section.address + section.offset;
      const start = symbols.readUInt32LE(at);
      if ((functions.get(offset)?.size ?? 0) < size)
        functions.set(offset, { offset, size, name: strings.toString("latin1", start, strings.indexOf(0, start)) });
    }
    return [...functions.values()].sort((a, b) => a.offset - b.offset);
  });
}

async function sectionsOf(bytes: Bytes) {
  const header = await bytes.read(0, 64);
  if (header.readUInt32BE(0) !== 0x7f454c46 || header.readUInt8(4) !== 2) throw bytes.damaged("a 64-bit ELF library");
  const [entry, count] = [header.readUInt16LE(58), header.readUInt16LE(60)];
  const table = await bytes.table(Number(header.readBigUInt64LE(40)), entry, count);
  return table.map((section) => ({
    type: section.readUInt32LE(4),
    flags: section.readBigUInt64LE(8),
    address: Number(section.readBigUInt64LE(16)),
    offset: Number(section.readBigUInt64LE(24)),
    size: Number(section.readBigUInt64LE(32)),
    link: section.readUInt32LE(40),
  }));
}
