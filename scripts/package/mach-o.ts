// The tables of a library for macOS. Apple: <mach-o/loader.h>.
import { Bytes } from "./bytes.js";

const MAGIC_64 = 0xfeedfacf;
const LOAD = new Set([0xc, 0x80000018, 0x8000001f]); // immediately, weakly, for re-export
const RUN_PATH = 0x8000001c;
const BUILD_VERSION = 0x32;

/**
 * The libraries that one for a 64-bit processor loads, as written in its load commands, the directories that `@rpath`
 * stands for, and the oldest version of macOS that it supports.
 *
 * @throws BuildError LIBRARY_DAMAGED.
 */
export function readMachO(path: string) {
  return Bytes.of(path, async (bytes) => {
    const header = await bytes.read(0, 32);
    if (header.readUInt32LE(0) !== MAGIC_64) throw bytes.damaged("a library of one 64-bit processor for macOS");
    const commands = await bytes.read(32, header.readUInt32LE(20));
    const library = { needed: [] as string[], runPath: [] as string[], macos: undefined as string | undefined };
    for (let index = 0, offset = 0; index < header.readUInt32LE(16); ++index) {
      if (offset + 8 > commands.length) throw bytes.damaged("all load commands");
      const size = commands.readUInt32LE(offset + 4);
      const command = commands.subarray(offset, offset + size);
      if (size < 8 || command.length < size) throw bytes.damaged("a whole load command");
      offset += size;
      const kind = command.readUInt32LE(0);
      const text = (): string => command.toString("utf8", command.readUInt32LE(8)).replace(/\0.*$/s, "");
      if (LOAD.has(kind)) library.needed.push(text());
      else if (kind === RUN_PATH) library.runPath.push(text());
      else if (kind === BUILD_VERSION) library.macos = `${command.readUInt16LE(14)}.${command.readUInt8(13)}`;
    }
    return library;
  });
}
