// Reads ranges of a file without loading all of it: libraries are large, their tables are small.
import { open } from "node:fs/promises";
import { BuildError } from "../support/errors.js";

/** Ranges of a file. */
export class Bytes {
  /**
   * @param {import("node:fs/promises").FileHandle} file
   * @param {string} path
   */
  constructor(file, path) {
    this.file = file;
    this.path = path;
  }

  /**
   * Opens a file while `work` runs.
   *
   * @template T
   * @param {string} path
   * @param {(bytes: Bytes) => Promise<T>} work
   * @returns {Promise<T>}
   */
  static async of(path, work) {
    const file = await open(path, "r");
    try {
      return await work(new Bytes(file, path));
    } finally {
      await file.close();
    }
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @returns {Promise<Buffer>} exactly `length` bytes
   * @throws {BuildError} LIBRARY_DAMAGED if the file is shorter
   */
  async read(offset, length) {
    const buffer = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.file.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) throw this.damaged(`${length} bytes at ${offset}`);
      done += bytesRead;
    }
    return buffer;
  }

  /**
   * Reads a zero-terminated text.
   *
   * @param {number} offset
   */
  async text(offset) {
    const longest = 4096;
    const buffer = Buffer.alloc(longest);
    const { bytesRead } = await this.file.read(buffer, 0, longest, offset);
    const end = buffer.indexOf(0);
    if (end < 0 || end >= bytesRead) throw this.damaged(`a name at ${offset}`);
    return buffer.toString("utf8", 0, end);
  }

  /** @param {string} expected */
  damaged(expected) {
    return new BuildError("LIBRARY_DAMAGED",
      `invalid library: expected ${expected} in ${this.path}, received a file that is damaged or of another kind. Restore it.`);
  }
}
