import { readFile } from "node:fs/promises";
import { expandHome, messageOf, ReviewKdError } from "../../index.js";

const FORMS = "a file with one name a line, or names separated by commas";

/**
 * Reads the value of `--class-names`: a file with one name a line or in JSON, or names separated by commas.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_UNSUPPORTED`, `INVALID_ARGUMENT` for an empty name
 */
export async function readClassNames(spec: string): Promise<string[]> {
  const content = await readFile(expandHome(spec)).catch((error: unknown) => {
    // A list of many names is longer than file names may be.
    if (["ENOENT", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new ReviewKdError("FILE_ACCESS",
      `cannot read the class names in ${spec}: ${messageOf(error)}. Pass a file with one name a line.`, {
      cause: error,
    });
  });
  if (content !== undefined) return namesIn(textOf(content, spec), spec);
  const names = spec.split(",");
  if (names.length === 1 && /[/\\.]/.test(spec))
    throw new ReviewKdError("FILE_NOT_FOUND", `no class names at ${spec}: the file does not exist. Check the path.`);
  return withoutEmpty(names, (index) => `name ${index + 1} of the list`);
}

/** The text of a file in UTF-8, without a mark of its encoding. */
function textOf(content: Buffer, file: string): string {
  const isUtf16 = ["fffe", "feff"].includes(content.subarray(0, 2).toString("hex"));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(content);
    if (!text.includes("\0")) return text;
  } catch {
    // Reported below.
  }
  throw new ReviewKdError("FILE_UNSUPPORTED",
    `invalid class names in ${file}: expected text in UTF-8, received ${isUtf16 ? "text in UTF-16" : "a file of another format"}. Pass ${FORMS}.`);
}

/** One name a line, without empty lines at the end; or in JSON: a list, or an object by index. */
function namesIn(text: string, file: string): string[] {
  const json = /^\s*[[{]/.test(text) ? parsedJson(text) : undefined;
  if (json === undefined)
    return withoutEmpty(text.trimEnd().split(/\r?\n/), (index) => `line ${index + 1} of ${file}`);
  const names = (Array.isArray(json) ? json as unknown[] : valuesByIndex(json)).map(nameIn);
  if (names.length > 0 && names.every((name) => name !== undefined))
    return withoutEmpty(names, (index) => `index ${index} of ${file}`);
  throw new ReviewKdError("FILE_UNSUPPORTED",
    `invalid class names in ${file}: expected a JSON list of names, or an object with a name for each index from 0, received other JSON. Pass ${FORMS}.`);
}

/** The values under "0", "1" and so on; undefined where one is missing. */
function valuesByIndex(object: object): unknown[] {
  const values = new Map<string, unknown>(Object.entries(object));
  return Array.from({ length: values.size }, (_, index) => values.get(String(index)));
}

/** A name; or that of Keras' `imagenet_class_index.json`, behind the class's id in WordNet. */
function nameIn(value: unknown): string | undefined {
  const name: unknown = Array.isArray(value) && value.length === 2 ? value[1] : value;
  return typeof name === "string" ? name : undefined;
}

function withoutEmpty(names: readonly string[], placeOf: (index: number) => string): string[] {
  const trimmed = names.map((name) => name.trim());
  const empty = trimmed.indexOf("");
  if (empty < 0) return trimmed;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid --class-names: expected a name for each class, received an empty one: ${placeOf(empty)}. Pass ${FORMS}.`);
}

function parsedJson(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}
