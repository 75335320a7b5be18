import type { z } from "zod";
import { isSettings } from "./settings.js";

/** Levels of objects and arrays in which typed arrays are looked for. */
const DEEPEST = 4;

type Path = readonly PropertyKey[];

/**
 * Parses a value, in which typed arrays of numbers are taken for arrays where the schema expects these:
 * `new Int32Array([2, 2])` for `[2, 2]`.
 */
export function parseNumbers<Output>(parse: (input: unknown) => z.ZodSafeParseResult<Output>,
  value: unknown): z.ZodSafeParseResult<Output> {
  let refused: (path: Path) => boolean;
  try {
    const result = parse(value);
    if (result.success) return result;
    const paths = result.error.issues.map(({ path }) => path.join("."));
    refused = (path) => paths.includes(path.join("."));
    if (!holdsTypedArray(value, refused)) return result;
  } catch (error) {
    // zod freezes what it returns, and a typed array that it refuses cannot be frozen.
    refused = () => true;
    if (!(error instanceof TypeError) || !holdsTypedArray(value, refused)) throw error;
  }
  return parse(withArrays(value, refused));
}

/** Of numbers, in any realm. */
function isArrayOfNumbers(value: unknown): value is ArrayLike<number> {
  return ArrayBuffer.isView(value) && "length" in value &&
    typeof (value as unknown as ArrayLike<unknown>)[0] !== "bigint";
}

function hasItems(value: unknown, { length }: Path): value is Readonly<Record<string, unknown>> {
  return length < DEEPEST && (Array.isArray(value) || isSettings(value));
}

function holdsTypedArray(value: unknown, refused: (path: Path) => boolean, path: Path = []): boolean {
  if (isArrayOfNumbers(value)) return refused(path);
  return hasItems(value, path) &&
    Object.entries(value).some(([key, item]) => holdsTypedArray(item, refused, [...path, key]));
}

function withArrays(value: unknown, refused: (path: Path) => boolean, path: Path = []): unknown {
  if (isArrayOfNumbers(value)) return refused(path) ? Array.from(value) : value;
  if (!hasItems(value, path)) return value;
  const items = Object.entries(value).map(([key, item]) => [key, withArrays(item, refused, [...path, key])] as const);
  return Array.isArray(value) ? items.map(([, item]) => item) : Object.fromEntries(items);
}
