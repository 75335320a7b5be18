import { parse as parseYaml } from "yaml";
import type { z } from "zod";
import { nearestName, ReviewKdError, schemas } from "../../index.js";
import { usageError } from "../errors.js";

/** Parses the text of an option. Ranges that only the schemas define are checked there. */
export type ValueParser<T> = (option: string) => (text: string) => T;

const WHOLE = /^[+-]?\d+$/;
const REAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function number(pattern: RegExp, expected: string, accepts: (value: number) => boolean): ValueParser<number> {
  return (option) => (text) => {
    const value = pattern.test(text.trim()) ? Number(text) : Number.NaN;
    if (!Number.isFinite(value) || !accepts(value)) throw usageError(expected, option, text);
    return value;
  };
}

const isPositiveCount = (value: number): boolean => value >= 1 && Number.isSafeInteger(value);

export const positiveCount = number(WHOLE, "a whole number ≥ 1", isPositiveCount);

/** {@link positiveCount}, or the word itself: commander replaces a parser's `null` by an empty text. */
export const positiveCountOrNone: ValueParser<number | "none"> = (option) => (text) =>
  text === "none" ? text : number(WHOLE, "a whole number ≥ 1 or none", isPositiveCount)(option)(text);

/** The value of {@link positiveCountOrNone} as the API takes it. */
export function nullIfNone<T>(value: T | "none"): T | null {
  return value === "none" ? null : value;
}

/** The word after `--resume`. */
export const resumeMode: ValueParser<"auto"> = (option) => (text) => {
  if (text === "auto") return text;
  throw usageError("auto, or nothing after it", option, text, "Pass the directory of the run with --run.");
};

export const count = number(WHOLE, "a whole number ≥ 0", (value) => value >= 0 && Number.isSafeInteger(value));

export const positiveNumber = number(REAL, "a number > 0", (value) => value > 0);

export const nonNegativeNumber = number(REAL, "a number ≥ 0", (value) => value >= 0);

export const share = number(REAL, "a number from 0 to 1", (value) => value >= 0 && value <= 1);

export const counts: ValueParser<number[]> = (option) => (text) =>
  text.split(",").map((part) => {
    const value = WHOLE.test(part.trim()) ? Number(part) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < 0) throw usageError("comma-separated whole numbers ≥ 0", option, text);
    return value;
  });

/** {@link counts} without duplicates. */
export const distinctCounts: ValueParser<number[]> = (option) => (text) => {
  const values = counts(option)(text);
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined)
    throw usageError("different comma-separated whole numbers ≥ 0", option, text, `Remove the second ${twice}.`);
  return values;
};

/** A number for each of red, green and blue, within the bounds of the schema. */
function perChannel(schema: z.ZodNumber): ValueParser<[number, number, number]> {
  return (option) => (text) => {
    const parts = text.split(",").map((part) => part.trim());
    const values = parts.map((part) => (REAL.test(part) ? Number(part) : Number.NaN));
    if (parts.length !== 3 || !values.every(Number.isFinite))
      throw usageError("three numbers separated by commas", option, text);
    const wrong = values.findIndex((value) => !schema.safeParse(value).success);
    if (wrong >= 0)
      throw usageError(`${schema.description ?? "another number"} for each channel`, option, parts[wrong] ?? "");
    return values as [number, number, number];
  };
}

export const channelMeans = perChannel(schemas.ChannelMean);

export const channelStds = perChannel(schemas.ChannelStd);

const LARGEST_SIDE = schemas.ImageSide.maxValue ?? Infinity;

const isSide = (side: number): boolean => schemas.ImageSide.safeParse(side).success;

/** A side of images in pixels. */
export const imageSide = number(WHOLE, `a whole number from 1 to ${LARGEST_SIDE}`, isSide);

/** Height and width in pixels: `HEIGHTxWIDTH`, or one number for both. */
export const imageSize: ValueParser<[height: number, width: number]> = (option) => (text) => {
  const [, first, second = first] = /^(\d+)(?:[x×](\d+))?$/.exec(text.trim()) ?? [];
  const sides = [Number(first), Number(second)] as const;
  if (!sides.every(isSide)) {
    throw usageError(`HEIGHTxWIDTH or one number, from 1 to ${LARGEST_SIDE}`, option, text);
  }
  return [...sides];
};

export function oneOf<const Word extends string>(words: readonly Word[]): ValueParser<Word> {
  return (option) => (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw usageError(`one of ${words.join(", ")}`, option, text, meantText(text, words));
    return word;
  };
}

/** "Did you mean …?", or nothing if no word is close. */
function meantText(given: string, words: readonly string[]): string {
  const meant = nearestName(given, words);
  return meant === undefined ? "" : `Did you mean ${meant}?`;
}

export const text: ValueParser<string> = (option) => (value) => {
  if (value === "") throw usageError("a non-empty value", option, value);
  return value;
};

/** The address of a queue. */
export const queueUrl: ValueParser<string> = (option) => (value) => {
  const isUrl = (url: string): boolean => schemas.QueueUrl.safeParse(url).success;
  if (isUrl(value)) return value;
  // A password may contain an "@" as well.
  const shown = value.replace(/^(\w+:\/\/)?.*@/, "$1…@");
  const meant = `redis://${value}`;
  throw usageError(schemas.QueueUrl.description ?? "the address of a Redis", option, shown,
    shown === value && isUrl(meant) ? `Did you mean ${meant}?` : "");
};

/** A path, in which `~` stands for the home directory. */
export const path: ValueParser<string> = (option) => (value) => {
  const parsed = schemas.FilePath.safeParse(text(option)(value));
  if (parsed.success) return parsed.data;
  throw usageError(parsed.error.issues[0]?.message ?? "a path", option, value);
};

/** Data sets that are generated, from settings instead of a directory. */
const GENERATED = ["synthetic", "scenes"] as const;
const KINDS = [...GENERATED, ...schemas.DATA_DIRECTORIES.keys()] as const;
const DIRECTORIES = [...schemas.DATA_DIRECTORIES.keys()].map((kind) => `${kind}:DIR`);

/** The syntax of {@link dataSpec}. */
export const DATA_SPECS =
  [...GENERATED.map((kind) => `${kind}[:key=value,…]`), ...DIRECTORIES.slice(0, -1)].join(", ") +
  ` or ${DIRECTORIES.at(-1)}`;

/** A data source for the schemas: a `kind` and its settings. */
export interface DataSpec {
  readonly kind: schemas.StoredDataSource["kind"];
  readonly [key: string]: string | number;
}

export const dataSpec: ValueParser<DataSpec> = (option) => (spec) => {
  const colon = spec.indexOf(":");
  const name = colon < 0 ? spec : spec.slice(0, colon);
  const rest = colon < 0 ? "" : spec.slice(colon + 1);
  const kind = KINDS.find((candidate) => candidate === name);
  if (kind === undefined) {
    const meant = meantText(name, KINDS);
    throw new ReviewKdError("UNKNOWN_NAME",
      `invalid ${option}: expected ${DATA_SPECS}, received "${spec}".${meant === "" ? "" : ` ${meant}`}`, {
      valid: KINDS,
    });
  }
  if (kind === "synthetic" || kind === "scenes") return { kind, ...generatorSettings(option, kind, rest) };
  const directory = schemas.DATA_DIRECTORIES.get(kind);
  if (rest === "" && directory !== undefined)
    throw usageError(`${kind}:DIR with the directory of ${directory.content}`, option, spec, directory.remedy);
  return { kind, root: path(option)(rest) };
};

function generatorSettings(option: string, kind: (typeof GENERATED)[number], settings: string): Record<string, number> {
  if (settings === "") return {};
  return Object.fromEntries(settings.split(",").map((setting) => {
    const [key = "", value = ""] = setting.split("=", 2);
    if (key === "" || !REAL.test(value)) {
      throw usageError("comma-separated key=number settings", option, setting,
        `Example: ${kind}:numClasses=4,trainSamples=500.`);
    }
    return [key, Number(value)];
  }));
}

/** The values of one setting of a grid. */
export interface Variation {
  readonly path: string;
  readonly values: readonly unknown[];
}

/** `method.weight=0.5,1,2`, of which commander collects several. Values are those of YAML: numbers, words, lists. */
export const variation = (option: string) => (text: string, earlier: readonly Variation[] = []): Variation[] => {
  const [, path = "", list = ""] = /^([^=\s]+)=(.+)$/.exec(text) ?? [];
  const values = listOf(list);
  if (path === "" || values === undefined)
    throw usageError("PATH=VALUE,VALUE,…", option, text, "Example: method.weight=0.5,1,2.");
  const twice = earlier.find((each) => each.path === path);
  if (twice !== undefined)
    throw usageError("each setting once", option, text, `Pass all values of ${path} in one list.`);
  return [...earlier, { path, values }];
};

/** The values of a comma-separated list; `undefined` if it is none. */
function listOf(text: string): unknown[] | undefined {
  try {
    const values: unknown = parseYaml(`[${text}]`);
    return Array.isArray(values) && values.length > 0 ? values as unknown[] : undefined;
  } catch {
    return undefined;
  }
}
