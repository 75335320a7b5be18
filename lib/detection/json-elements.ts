// Reads JSON files that are too large to be parsed as a whole: the elements of their outer lists, one by one.
import { open, type FileHandle } from "node:fs/promises";
import { withHome } from "../config/file-path.js";
import { causedBy, isMissing, ReviewKdError } from "../errors.js";
import type { Pacer } from "../api/pacer.js";

/** Called with each element of a list and its position. */
export type Visit = (element: unknown, index: number) => void;

const CHUNK_BYTES = 2 ** 18;
/** Memory for one element; the largest of COCO has 100 kB. */
const MOST_ELEMENT_BYTES = 2 ** 24;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const END = -1;

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * Visits the elements of an object's lists by their keys, other members are skipped; or of a file that is one list, by
 * the key "". Parses one element at a time, so that memory does not grow with the file.
 *
 * @returns the keys whose lists were found.
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT` with the position, `FILE_UNSUPPORTED` for an
 * element of more than 16 MiB, and what `visits` throw.
 */
export async function readJsonElements(path: string, visits: ReadonlyMap<string, Visit>,
  pacer: Pacer): Promise<Set<string>> {
  const file = await openFile(path);
  try {
    return await new JsonElements(file, path, visits, pacer).read();
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(withHome(path));
  } catch (error) {
    if (isMissing(error))
      throw new ReviewKdError("FILE_NOT_FOUND", `no file at ${path}. Check the path.`, { cause: error });
    throw causedBy("FILE_ACCESS", `cannot read ${path}`, error, "Check its permissions.");
  }
}

class JsonElements {
  /** The part of the file that was read and not consumed. */
  #buffer = Buffer.alloc(0);
  #position = 0;
  /** Position of the buffer in the file. */
  #offset = 0;
  #isAtEnd = false;
  readonly #keys = new Set<string>();

  constructor(private readonly file: FileHandle, private readonly path: string,
    private readonly visits: ReadonlyMap<string, Visit>, private readonly pacer: Pacer) {}

  async read(): Promise<Set<string>> {
    const first = await this.#next();
    if (first === OPEN_LIST) await this.#readList("");
    else if (first === OPEN_OBJECT) await this.#readObject();
    else throw this.#corrupt("a list or an object");
    if (await this.#next() !== END) throw this.#corrupt("the end of the file");
    return this.#keys;
  }

  async #readObject(): Promise<void> {
    this.#position++;
    if (await this.#accept(CLOSE_OBJECT)) return;
    do {
      if (await this.#next() !== QUOTE) throw this.#corrupt("a key");
      const key = this.#parse(await this.#valueEnd()) as string;
      await this.#expect(COLON);
      if (await this.#next() === OPEN_LIST) await this.#readList(key);
      else this.#position = await this.#valueEnd();
    } while (await this.#accept(COMMA));
    await this.#expect(CLOSE_OBJECT);
  }

  async #readList(key: string): Promise<void> {
    const visit = this.visits.get(key);
    if (visit !== undefined && this.#keys.has(key)) throw this.#corrupt(`the key "${key}" once`);
    this.#keys.add(key);
    this.#position++;
    if (await this.#accept(CLOSE_LIST)) return;
    let index = 0;
    do {
      if (await this.#next() === END) throw this.#corrupt("an element");
      const end = await this.#valueEnd();
      if (visit === undefined) this.#position = end;
      else visit(this.#parse(end), index++);
      if (this.pacer.isDue()) await this.pacer.pause();
    } while (await this.#accept(COMMA));
    await this.#expect(CLOSE_LIST);
  }

  /** The next byte that is no white space, not consumed; {@link END} at the end of the file. */
  async #next(): Promise<number> {
    for (;;) {
      while (isSpace(this.#buffer[this.#position])) this.#position++;
      const byte = this.#buffer[this.#position];
      if (byte !== undefined) return byte;
      if (!await this.#fill()) return END;
    }
  }

  async #accept(byte: number): Promise<boolean> {
    if (await this.#next() !== byte) return false;
    this.#position++;
    return true;
  }

  async #expect(byte: number): Promise<void> {
    if (!await this.#accept(byte)) throw this.#corrupt(`"${String.fromCharCode(byte)}"`);
  }

  /** The end of the value that begins at the current position; all of it is in the buffer then. */
  async #valueEnd(): Promise<number> {
    for (;;) {
      const end = scanValue(this.#buffer, this.#position, this.#isAtEnd);
      if ((end ?? this.#buffer.length) - this.#position > MOST_ELEMENT_BYTES) throw this.#tooLarge();
      if (end !== undefined) return end;
      if (!await this.#fill()) throw this.#corrupt("the end of a value");
    }
  }

  /** Parses the value up to `end`, and consumes it. */
  #parse(end: number): unknown {
    try {
      const value: unknown = JSON.parse(this.#buffer.toString("utf8", this.#position, end));
      this.#position = end;
      return value;
    } catch (error) {
      throw causedBy("FILE_CORRUPT",
        `invalid JSON in the value at byte ${this.#offset + this.#position} of ${this.path}`, error,
        "Write the file again.");
    }
  }

  /** Reads on, more for a value that is long already; false at the end of the file. */
  async #fill(): Promise<boolean> {
    if (this.#isAtEnd) return false;
    const rest = this.#buffer.subarray(this.#position);
    const buffer = Buffer.allocUnsafe(2 * rest.length + CHUNK_BYTES);
    rest.copy(buffer);
    const { bytesRead } = await this.#readInto(buffer, rest.length);
    this.#isAtEnd = bytesRead === 0;
    this.#offset += this.#position;
    this.#position = 0;
    this.#buffer = buffer.subarray(0, rest.length + bytesRead);
    return true;
  }

  async #readInto(buffer: Buffer, from: number): Promise<{ bytesRead: number }> {
    try {
      return await this.file.read(buffer, from, buffer.length - from);
    } catch (error) {
      throw causedBy("FILE_ACCESS", `cannot read ${this.path}`, error, "Check that it is a file.");
    }
  }

  #tooLarge(): ReviewKdError {
    return new ReviewKdError("FILE_UNSUPPORTED",
      `invalid element at byte ${this.#offset + this.#position} of ${this.path}: expected at most 16 MiB, received more. Split it.`);
  }

  #corrupt(expected: string): ReviewKdError {
    const byte = this.#buffer[this.#position];
    const received = byte === undefined ? "the end of the file" : JSON.stringify(String.fromCharCode(byte));
    return new ReviewKdError("FILE_CORRUPT",
      `invalid JSON at byte ${this.#offset + this.#position} of ${this.path}: expected ${expected}, received ${received}. The file is damaged or of another format.`);
  }
}

/** The end of the value at `start`; undefined if it is not known to be complete. Does not check what is inside. */
function scanValue(buffer: Buffer, start: number, isAtEnd: boolean): number | undefined {
  const first = buffer[start];
  if (first === QUOTE) return scanString(buffer, start);
  if (first === OPEN_LIST || first === OPEN_OBJECT) return scanNested(buffer, start);
  let position = start;
  for (; position < buffer.length; position++) {
    const byte = buffer[position];
    if (byte === COMMA || byte === CLOSE_LIST || byte === CLOSE_OBJECT || isSpace(byte)) return position;
  }
  return isAtEnd ? position : undefined;
}

function scanString(buffer: Buffer, start: number): number | undefined {
  for (let position = start + 1; position < buffer.length; position++) {
    const byte = buffer[position];
    if (byte === BACKSLASH) position++;
    else if (byte === QUOTE) return position + 1;
  }
  return undefined;
}

function scanNested(buffer: Buffer, start: number): number | undefined {
  let depth = 0;
  for (let position = start; position < buffer.length; position++) {
    const byte = buffer[position];
    if (byte === QUOTE) {
      const end = scanString(buffer, position);
      if (end === undefined) return undefined;
      position = end - 1;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      depth++;
    } else if ((byte === CLOSE_LIST || byte === CLOSE_OBJECT) && --depth === 0) {
      return position + 1;
    }
  }
  return undefined;
}
