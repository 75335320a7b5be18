import { close, open, read } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { appendFlushed, withDirectoryErrors, writeAtomic } from "./directory-files.js";

const openFile = promisify(open);
const readFile = promisify(read);

/**
 * A file of lines that one process adds to, and that it can write anew wherever its directory vanished or a line was written in part: the
 * file stays open, so that what was written can be read even after it was removed, and nothing of it is kept in memory.
 */
export class JsonlFile {
  /** Lines that are not in the file yet. */
  #pending: string[] = [];
  /** How much of the open file is as this left it. */
  #bytes = 0;
  #descriptor: number | undefined;

  constructor(private readonly directory: string, readonly path: string) {}

  /** Takes up a line, which {@link JsonlFile.write} writes. */
  add(line: string): void {
    this.#pending.push(`${line}\n`);
  }

  /**
   * Writes what is not in the file yet; the whole file where it is not as this left it.
   *
   * @throws `RUN_DIRECTORY`; the next call makes up for it.
   */
  async write(): Promise<void> {
    const found = await stat(this.path).then(({ size }) => size, () => 0);
    if (found !== this.#bytes || found === 0) {
      await this.replace(await this.text());
      return;
    }
    const lines = this.#pending.length;
    const added = this.#pending.join("");
    await appendFlushed(this.directory, this.path, added);
    this.#bytes += Buffer.byteLength(added);
    this.#pending.splice(0, lines);
  }

  /**
   * Makes this text the whole of the file, and of what is to be in it.
   *
   * @throws `RUN_DIRECTORY`
   */
  async replace(text: string): Promise<void> {
    await writeAtomic(this.directory, this.path, text);
    const descriptor = await withDirectoryErrors(this.directory, () => openFile(this.path, "r"));
    this.close();
    this.#descriptor = descriptor;
    this.#bytes = Buffer.byteLength(text);
    this.#pending = [];
  }

  /** All lines, those that are not written yet included. */
  async text(): Promise<string> {
    return `${await this.#written()}${this.#pending.join("")}`;
  }

  async #written(): Promise<string> {
    if (this.#descriptor === undefined) return "";
    const buffer = Buffer.alloc(this.#bytes);
    for (let done = 0; done < buffer.length;) {
      const { bytesRead } = await readFile(this.#descriptor, buffer, done, buffer.length - done, done);
      // Somebody has cut it: what is whole is kept.
      if (bytesRead === 0) return buffer.toString("utf8", 0, buffer.lastIndexOf("\n", Math.max(0, done - 1)) + 1);
      done += bytesRead;
    }
    return buffer.toString("utf8");
  }

  close(): void {
    if (this.#descriptor !== undefined) close(this.#descriptor, () => undefined);
    this.#descriptor = undefined;
  }
}
