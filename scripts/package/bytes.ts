// Reads ranges of a file without loading all of it: libraries are large, their tables are small.
import { open, type FileHandle } from "node:fs/promises";
import { BuildError } from "../support/errors.js";

/** Ranges of a file. */
export class Bytes {
  constructor(readonly file: FileHandle, readonly path: string) {}

  /** Opens a file while `work` runs. */
  static async of<T>(path: string, work: (bytes: Bytes) => Promise<T>): Promise<T> {
    const file = await open(path, "r");
    try {
      return await work(new Bytes(file, path));
    } finally {
      await file.close();
    }
  }

  /** Exactly `length` bytes. @throws BuildError LIBRARY_DAMAGED if the file is shorter. */
  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.file.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) throw this.damaged(`${length} bytes at ${offset}`);
      done += bytesRead;
    }
    return buffer;
  }

  /** The entries of a table. */
  async table(offset: number, entrySize: number, count: number): Promise<Buffer[]> {
    const all = await this.read(offset, entrySize * count);
    return Array.from({ length: count }, (_, index) => all.subarray(entrySize * index, entrySize * (index + 1)));
  }

  /** Reads a zero-terminated text. */
  async text(offset: number): Promise<string> {
    const longest = 4096;
    const buffer = Buffer.alloc(longest);
    const { bytesRead } = await this.file.read(buffer, 0, longest, offset);
    const end = buffer.indexOf(0);
    if (end < 0 || end >= bytesRead) throw this.damaged(`a name at ${offset}`);
    return buffer.toString("utf8", 0, end);
  }

  damaged(expected: string): BuildError {
    return new BuildError("LIBRARY_DAMAGED",
      `invalid library: expected ${expected} in ${this.path}, received a file that is damaged or of another kind. Restore it.`);
  }
}
