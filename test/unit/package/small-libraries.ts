// The smallest libraries with the tables that packing reads.

/** A 64-bit library for Windows: headers, and one section with code and all tables. */
export function pe({ needed = [], delayed = [], exports = [], code = Buffer.alloc(0) }: {
  readonly needed?: readonly string[];
  readonly delayed?: readonly string[];
  readonly exports?: readonly string[];
  readonly code?: Buffer;
}): Buffer {
  const [address, offset] = [0x1000, 0x200];
  const body: Buffer[] = [code];
  const here = (): number => address + body.reduce((sum, { length }) => sum + length, 0);
  const put = (bytes: Buffer): number => {
    const at = here();
    body.push(bytes);
    return at;
  };
  const putText = (text: string): number => put(Buffer.from(`${text}\0`));
  const table = (names: readonly string[], entrySize: number, nameAt: number): number => {
    if (names.length === 0) return 0;
    const entries = Buffer.alloc(entrySize * (names.length + 1));
    names.map(putText).forEach((at, index) => {
      entries.writeUInt32LE(at, entrySize * index + nameAt);
    });
    return put(entries);
  };
  const imports = table(needed, 20, 12);
  const later = table(delayed, 32, 4);
  let exported = 0;
  if (exports.length > 0) {
    const names = Buffer.alloc(4 * exports.length);
    exports.map(putText).forEach((at, index) => {
      names.writeUInt32LE(at, 4 * index);
    });
    const directory = Buffer.alloc(40);
    directory.writeUInt32LE(exports.length, 24);
    directory.writeUInt32LE(put(names), 32);
    exported = put(directory);
  }
  const content = Buffer.concat(body);

  const head = Buffer.alloc(offset);
  head.write("MZ", 0, "latin1");
  head.writeUInt32LE(0x40, 0x3c);
  head.writeUInt32LE(0x4550, 0x40);
  head.writeUInt16LE(1, 0x46); // sections
  head.writeUInt16LE(240, 0x54); // bytes of the optional header
  head.writeUInt16LE(0x20b, 0x58);
  head.writeUInt32LE(16, 0x58 + 108);
  [[0, exported], [1, imports], [13, later]].forEach(([index, at]) => {
    head.writeUInt32LE(at!, 0x58 + 112 + 8 * index!);
  });
  const section = 0x58 + 240;
  head.writeUInt32LE(code.length, section + 8); // the code's length as the section's size in memory
  head.writeUInt32LE(address, section + 12);
  head.writeUInt32LE(content.length, section + 16);
  head.writeUInt32LE(offset, section + 20);
  head.writeUInt32LE(0x20, section + 36);
  return Buffer.concat([head, content]);
}

/** A 64-bit library for macOS: a header and its load commands. */
export function machO({ needed = [], runPath = [], macos }: {
  readonly needed?: readonly string[];
  readonly runPath?: readonly string[];
  readonly macos?: readonly [number, number];
}): Buffer {
  const command = (kind: number, text: string, textAt: number): Buffer => {
    const bytes = Buffer.alloc(Math.ceil((textAt + text.length + 1) / 8) * 8);
    bytes.writeUInt32LE(kind, 0);
    bytes.writeUInt32LE(bytes.length, 4);
    bytes.writeUInt32LE(textAt, 8);
    bytes.write(text, textAt);
    return bytes;
  };
  const commands = [...needed.map((name) => command(0xc, name, 24)),
    ...runPath.map((path) => command(0x8000001c, path, 12))];
  if (macos !== undefined) {
    const version = Buffer.alloc(24);
    version.writeUInt32LE(0x32, 0);
    version.writeUInt32LE(24, 4);
    version.writeUInt32LE((macos[0] << 16) | (macos[1] << 8), 12);
    commands.push(version);
  }
  const header = Buffer.alloc(32);
  header.writeUInt32LE(0xfeedfacf, 0);
  header.writeUInt32LE(commands.length, 16);
  header.writeUInt32LE(Buffer.concat(commands).length, 20);
  return Buffer.concat([header, ...commands]);
}
