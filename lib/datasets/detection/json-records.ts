import { isAscii, isUtf8 } from "node:buffer";
import { messageOf, ReviewKdError } from "../../errors.js";

/** Receives each element of a list, with the list's name and the element's first byte. */
export type OnRecord = (list: string, record: unknown, position: number) => void;

/** Bytes of one element, or of one key of the outermost object. An outline of 100,000 points takes 1 MiB. */
const LARGEST_RECORD = 2 ** 22;
const LARGEST_KEY = 2 ** 12;
/** COCO's records have a depth of three. */
const DEEPEST = 32;

const code = (character: string): number => character.charCodeAt(0);
const [QUOTE, BACKSLASH, COLON, COMMA] = [code('"'), code("\\"), code(":"), code(",")];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [code("{"), code("}"), code("["), code("]")];
/** At the beginning of a file, a mark that the text is UTF-8. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const SPACES: ReadonlySet<number> = new Set([" ", "\t", "\n", "\r"].map(code));

/** The next thing expected outside of a value. */
type Expected = "object" | "key or }" | "key" | "colon" | "value" | "list" | "record or ]" | "record" | "comma or ]"
  | "comma or }" | "end";

/** A value that has begun: a key or record, whose bytes are kept, or another value, which is skipped. */
interface OpenValue {
  readonly kind: "key" | "record" | "skipped";
  readonly start: number;
  depth: number;
  inString: boolean;
  escaped: boolean;
}

/**
 * The elements of some lists of a JSON object, one by one, from chunks of any size: `{ "images": [{…}, …], … }`. It
 * finds where each begins and ends; `JSON.parse` reads it. Whatever else the object contains is skipped, and checked
 * for balanced brackets alone. Memory is bounded by the largest element.
 *
 * Parsers that yield tokens or values take two to four times as long, and have no limits for untrusted files.
 */
export class JsonRecords {
  #expected: Expected = "object";
  #open: OpenValue | undefined;
  /** Bytes of the open key or record from earlier chunks. */
  #parts: Uint8Array[] = [];
  #position = 0;
  #key = "";
  readonly #seen = new Set<string>();

  /**
   * @param name - The file, for messages.
   * @param lists - Names of the lists whose elements are read.
   */
  constructor(private readonly name: string, private readonly lists: readonly string[],
    private readonly onRecord: OnRecord) {}

  /** The next chunk of the file. @throws `FILE_CORRUPT`, `FILE_UNSUPPORTED`, and what `onRecord` throws. */
  write(chunk: Uint8Array): void {
    let index = 0;
    while (index < chunk.length) {
      if (this.#open !== undefined) index = this.#scan(this.#open, chunk, index);
      else index = SPACES.has(chunk[index] as number) ? index + 1 : this.#step(chunk[index] as number, index);
    }
    this.#position += chunk.length;
  }

  /** The end of the file. @throws `FILE_CORRUPT` unless the object is complete and has all lists. */
  end(): void {
    if (this.#expected !== "end") this.#fail(this.#position, "the rest of the JSON text", "the end of the file");
    const missing = this.lists.filter((list) => !this.#seen.has(list));
    if (missing.length === 0) return;
    throw new ReviewKdError("FILE_UNSUPPORTED",
      `invalid annotations ${this.name}: expected the lists ${this.lists.join(", ")}, received no ${missing.join(", no ")}. ` +
        "Pass a file of COCO instances, such as instances_train2017.json.");
  }

  /** Uses a character outside of values, and returns the index of the next. */
  #step(byte: number, index: number): number {
    const position = this.#position + index;
    const to = (expected: Expected): number => {
      this.#expected = expected;
      return index + 1;
    };
    switch (this.#expected) {
      case "object":
        if (byte === OPEN_OBJECT) return to("key or }");
        if (byte === BYTE_ORDER_MARK[position]) return index + 1;
        break;
      case "key or }":
      case "key":
        if (byte === QUOTE) return this.#begin("key", index);
        if (byte === CLOSE_OBJECT && this.#expected === "key or }") return to("end");
        break;
      case "colon":
        if (byte === COLON) return to(this.lists.includes(this.#key) ? "list" : "value");
        break;
      case "value":
        return this.#begin("skipped", index);
      case "list":
        if (byte === OPEN_LIST) return to("record or ]");
        break;
      case "record or ]":
      case "record":
        if (byte !== CLOSE_LIST) return this.#begin("record", index);
        if (this.#expected === "record or ]") return to("comma or }");
        break;
      case "comma or ]":
        if (byte === COMMA) return to("record");
        if (byte === CLOSE_LIST) return to("comma or }");
        break;
      case "comma or }":
        if (byte === COMMA) return to("key");
        if (byte === CLOSE_OBJECT) return to("end");
        break;
      case "end":
    }
    return this.#fail(position, EXPECTATIONS[this.#expected](this.#key), characterText(byte));
  }

  /** Begins a value with the character at an index, which {@link JsonRecords.#scan} uses. */
  #begin(kind: OpenValue["kind"], index: number): number {
    this.#open = { kind, start: this.#position + index, depth: 0, inString: false, escaped: false };
    return index;
  }

  /** Finds the end of a value, and returns the index behind it, or behind the chunk. */
  #scan(open: OpenValue, chunk: Uint8Array, first: number): number {
    let { depth, inString, escaped } = open;
    for (let index = first; index < chunk.length; ++index) {
      const byte = chunk[index] as number;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) {
          inString = false;
          if (depth === 0) return this.#complete(open, chunk, first, index + 1);
        }
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        if (++depth > DEEPEST) this.#refuse(this.#position + index, `at most ${DEEPEST} levels of brackets`, "more");
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        if (depth === 0) return this.#complete(open, chunk, first, index);
        if (--depth === 0) return this.#complete(open, chunk, first, index + 1);
      } else if (depth === 0 && (byte === COMMA || byte === COLON || SPACES.has(byte))) {
        return this.#complete(open, chunk, first, index);
      }
    }
    open.depth = depth;
    open.inString = inString;
    open.escaped = escaped;
    this.#keep(open, chunk.subarray(first), this.#position + chunk.length);
    return chunk.length;
  }

  #complete(open: OpenValue, chunk: Uint8Array, first: number, end: number): number {
    if (this.#position + end === open.start)
      this.#fail(open.start, "a value", characterText(chunk[end] as number));
    this.#open = undefined;
    this.#keep(open, chunk.subarray(first, end), this.#position + end);
    if (open.kind === "skipped") {
      this.#expected = "comma or }";
    } else {
      const bytes = this.#parts.length === 1 ? this.#parts[0] as Uint8Array : Buffer.concat(this.#parts);
      this.#parts = [];
      this.#use(open, this.#parse(bytes, open.start));
    }
    return end;
  }

  #keep({ kind, start }: OpenValue, bytes: Uint8Array, end: number): void {
    if (kind === "skipped") return;
    const limit = kind === "key" ? LARGEST_KEY : LARGEST_RECORD;
    if (end - start > limit) this.#refuse(start, `a ${kind} of at most ${limit} bytes`, "a longer one");
    this.#parts.push(bytes);
  }

  #use({ kind, start }: OpenValue, value: unknown): void {
    if (kind === "record") {
      this.#expected = "comma or ]";
      this.onRecord(this.#key, value, start);
      return;
    }
    this.#expected = "colon";
    this.#key = value as string;
    if (!this.lists.includes(this.#key)) return;
    if (this.#seen.has(this.#key)) this.#fail(start, `one list ${this.#key}`, "a second one");
    this.#seen.add(this.#key);
  }

  #parse(bytes: Uint8Array, position: number): unknown {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const ascii = isAscii(buffer);
    if (!ascii && !isUtf8(buffer)) this.#fail(position, "text in UTF-8", "other bytes");
    try {
      return JSON.parse(ascii ? buffer.toString("latin1") : buffer.toString("utf8"));
    } catch (error) {
      return this.#fail(position, "a value in JSON", `one that cannot be read (${messageOf(error)})`);
    }
  }

  #fail(position: number, expected: string, received: string): never {
    throw new ReviewKdError("FILE_CORRUPT", `${this.#sentence(position, expected, received)} ` +
      "The file is truncated, or not COCO's annotations; download or write it again.");
  }

  #refuse(position: number, expected: string, received: string): never {
    throw new ReviewKdError("FILE_UNSUPPORTED", `${this.#sentence(position, expected, received)} ` +
      "Annotations need no more; remove what the file does not need.");
  }

  #sentence(position: number, expected: string, received: string): string {
    return `invalid JSON at byte ${position} of ${this.name}: expected ${expected}, received ${received}.`;
  }
}

/** Expectations in words; a list's key is named. */
const EXPECTATIONS: Readonly<Record<Expected, (key: string) => string>> = {
  "object": () => "an object of images, annotations and categories",
  "key or }": () => "a key",
  "key": () => "a key",
  "colon": () => "a colon",
  "value": () => "a value",
  "list": (key) => `a list of ${key}`,
  "record or ]": (key) => `an element of ${key} or the end of the list`,
  "record": (key) => `an element of ${key}`,
  "comma or ]": (key) => `a comma or the end of ${key}`,
  "comma or }": () => "a comma or the end of the object",
  "end": () => "the end of the file",
};

function characterText(byte: number): string {
  return byte > 0x20 && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `the byte 0x${byte.toString(16)}`;
}
