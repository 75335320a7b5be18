import { close, open, read } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { appendFlushed, withDirectoryErrors, writeAtomic } from "./directory-files.js";

const openFile = promisify(open);
const readFile = promisify(read);

/** Lines that one process appends, and rewrites if the file vanished or changed: an open descriptor keeps them. */
export class JsonlFile {
  /** Lines that are not in the file yet. */
  #pending: string[] = [];
  /** Size of the open file as this object last wrote it. */
  #bytes = 0;
  #descriptor: number | undefined;

  constructor(private readonly directory: string, readonly path: string) {}

  add(line: string): void {
    this.#pending.push(`${line}\n`);
  }

  /** Writes the queued lines, or the whole file if it changed. @throws `RUN_DIRECTORY`; the next call retries. */
  async write(): Promise<void> {
    const size = await stat(this.path).then((file) => file.size, () => 0);
    if (size !== this.#bytes || size === 0) {
      await this.replace(await this.text());
      return;
    }
    const lines = this.#pending.length;
    const added = this.#pending.join("");
    await appendFlushed(this.directory, this.path, added);
    this.#bytes += Buffer.byteLength(added);
    this.#pending.splice(0, lines);
  }

  /** Replaces the content of the file, and discards queued lines. @throws `RUN_DIRECTORY` */
  async replace(text: string): Promise<void> {
    await writeAtomic(this.directory, this.path, text);
    const descriptor = await withDirectoryErrors(this.directory, () => openFile(this.path, "r"));
    this.close();
    this.#descriptor = descriptor;
    this.#bytes = Buffer.byteLength(text);
    this.#pending = [];
  }

  async text(): Promise<string> {
    return `${await this.#written()}${this.#pending.join("")}`;
  }

  async #written(): Promise<string> {
    if (this.#descriptor === undefined) return "";
    const buffer = Buffer.alloc(this.#bytes);
    for (let done = 0; done < buffer.length;) {
      const { bytesRead } = await readFile(this.#descriptor, buffer, done, buffer.length - done, done);
      // Another process truncated the file: keep the complete lines.
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
