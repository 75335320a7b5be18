import { z } from "zod";
import { causedBy, isReviewKdError, ReviewKdError } from "../errors.js";
import { KEY_ALIASES } from "./name-aliases.js";
import { aliasesOf, listed, listedBriefly, nearestName, normalizedName } from "./nearest-name.js";
import { parseNumbers } from "./plain-numbers.js";

/** The codes with which {@link parse} can fail. */
export type ParseErrorCode = "INVALID_ARGUMENT" | "CONFIG_INVALID";

interface Problem {
  readonly place: string;
  readonly text: string;
  readonly valid: readonly string[];
}

/** More about an expectation: the accepted names, and what to do if it is not met. */
interface Hint {
  readonly valid?: readonly string[];
  /** Keys of the objects inside, with their paths. */
  readonly inner?: readonly string[];
  readonly fix?: string;
}

/**
 * Checks `value` against `schema` and returns it with its defaults filled in.
 *
 * @param what - A noun for the value: "training options", "the configuration file run.yaml".
 * @param others - Keys that the caller accepts in addition to those of the schema, one of which may have been meant.
 * @throws `INVALID_ARGUMENT` (or `code`): each problem as "invalid …: expected …, received ….", with the nearest name
 * for an unknown one.
 *
 * @example
 * ```ts
 * const options = parse(TrainingOptions, { epochs: 10 }, "training options");
 * ```
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string,
  code: ParseErrorCode = "INVALID_ARGUMENT", others: readonly string[] = []): z.output<S> {
  const hints = new Map<string, Hint>();
  const attempt = (input: unknown): z.ZodSafeParseResult<z.output<S>> =>
    schema.safeParse(input, { error: (issue) => expectationOf(issue, hints) });
  const result = readValues(() => parseNumbers(attempt, value), what, code);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, value, hints.get(issue.message), others));
  const valid = problems.find((problem) => problem.valid.length > 0)?.valid ?? [];
  throw new ReviewKdError(code, messageFor(problems, what), { valid });
}

/**
 * The result of work that reads values of the caller, whose getters and proxies may throw anything.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` (or `code`) with what they throw as its cause.
 */
export function readValues<Result>(work: () => Result, what: string,
  code: ParseErrorCode = "INVALID_ARGUMENT"): Result {
  try {
    return work();
  } catch (error) {
    if (isReviewKdError(error)) throw error;
    throw causedBy(code, `invalid ${nounOf(what)}: expected values that can be read, received one that throws`, error,
      "Pass plain data.");
  }
}

/** @throws `INVALID_ARGUMENT` unless a value, of which fields are read before it is parsed, is an object. */
export function assertObject(value: unknown, what: string): asserts value is object {
  if (typeof value === "object" && value !== null) return;
  throw new ReviewKdError("INVALID_ARGUMENT", `invalid ${what}: expected an object, received ${valueText(value)}.`);
}

/** @throws `INVALID_ARGUMENT` for a value that cannot be called. */
export function assertFunction(value: unknown, what: string): void {
  if (typeof value === "function") return;
  throw new ReviewKdError("INVALID_ARGUMENT", `invalid ${what}: expected a function, received ${valueText(value)}.`);
}

/** `what` without its article. */
function nounOf(what: string): string {
  return what.replace(/^(?:the|an?) /, "");
}

function messageFor(problems: readonly Problem[], what: string): string {
  const [first] = problems;
  const noun = nounOf(what);
  if (first !== undefined && problems.length === 1)
    return `invalid ${first.place === "" ? noun : `${first.place} in ${what}`}: ${first.text}`;
  return `invalid ${noun}: ${problems.length} problems\n${problems.map(({ place, text }) => `  - ${place === "" ? what : place}: ${text}`).join("\n")}`;
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown, { valid: own = [], inner = [], fix }: Hint = {},
  others: readonly string[] = []): Problem[] {
  const valid = issue.code === "unrecognized_keys" && issue.path.length === 0 ? [...own, ...others] : own;
  const isKey = issue.code === "unrecognized_keys";
  const problem = (path: readonly PropertyKey[], received: unknown): Problem => {
    const near = typeof received !== "string" ? undefined
      : isKey ? nearestKey(received, valid, inner) : nearestName(received, valid);
    const help = near === undefined ? fix : `Did you mean "${near}"?`;
    return { place: placeOf(path),
      text: `expected ${issue.message}, received ${valueText(received)}.${help === undefined ? "" : ` ${help}`}`,
      valid };
  };
  if (isKey) return issue.keys.map((key) => problem(issue.path, key));
  return [problem(issue.path, valueAt(value, issue.path))];
}

/** The key that was meant: of this object, or else of one inside it. */
function nearestKey(key: string, own: readonly string[], inner: readonly string[]): string | undefined {
  const isSame = (path: string): boolean =>
    normalizedName(path.slice(path.lastIndexOf(".") + 1)) === normalizedName(key);
  return own.find(isSame) ?? inner.find(isSame) ?? nearestName(key, own, KEY_ALIASES) ??
    aliasesOf(key, KEY_ALIASES).map((alias) => inner.find((path) => path.endsWith(`.${alias}`)))
      .find((path) => path !== undefined);
}

/** The dotted paths of the keys of all objects inside one, to the depth of a configuration. */
export function innerKeys(schema: unknown, prefix = "", depth = 3): string[] {
  return shapesOf(schema).flatMap((shape) =>
    Object.entries(shape).flatMap((
      [key, field],
    ) => [...(prefix === "" ? [] : [`${prefix}${key}`]),
      ...(depth > 1 ? innerKeys(field, `${prefix}${key}.`, depth - 1) : [])]
    )
  );
}

/** The fields of an object, of each object of a union, or of what stands behind a default. */
function shapesOf(schema: unknown): Readonly<Record<string, unknown>>[] {
  if (schema instanceof z.ZodObject) return [schema.shape];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(shapesOf);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault) return shapesOf(schema.unwrap());
  return [];
}

/** The error map of {@link parse}: what was expected, in words. The schema's own description comes first. */
function expectationOf(issue: z.core.$ZodRawIssue, hints: Map<string, Hint>): string {
  const schema = issue.schema ?? issue.inst;
  const { description, fix } = (schema instanceof z.ZodType ? z.globalRegistry.get(schema) : undefined) ?? {};
  const valid = namesIn(issue, schema);
  const text = description ??
    (issue.code === "unrecognized_keys" ? keysText(valid)
      : inWords(issue, schema));
  const inner = issue.code === "unrecognized_keys" ? innerKeys(schema) : [];
  hints.set(text, { valid, inner, ...(typeof fix === "string" && { fix }) });
  return text;
}

function keysText(keys: readonly string[]): string {
  if (keys.length === 0) return "one of the keys of an empty object";
  // Not "or": several keys can be given.
  const brief = listedBriefly(keys).replace(/^one of /, "");
  return `one of the keys ${brief.endsWith("in all)") ? brief : keys.join(", ")}`;
}

/** The names that would have been accepted, if there is such a list. */
function namesIn(issue: z.core.$ZodRawIssue, schema: unknown): string[] {
  if (issue.code === "unrecognized_keys") return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const names: unknown = issue.code === "invalid_value" ? issue.values
    : issue.code === "invalid_union" ? issue["options"] : [];
  return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
}

const TYPES: Readonly<Record<string, string>> = {
  number: "a finite number",
  int: "a whole number",
  string: "a string",
  boolean: "true or false",
  array: "an array",
  tuple: "an array",
  object: "an object",
  record: "an object",
};

function inWords(issue: z.core.$ZodRawIssue, schema: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      return isWhole(schema) ? "a whole number" : TYPES[issue.expected] ?? withArticle(issue.expected);
    case "too_small":
      return issue.origin === "string" ? "a string that is not empty"
        : bounded(issue.origin, issue.inclusive === false ? ">" : "≥", issue.minimum, schema);
    case "too_big":
      return bounded(issue.origin, issue.inclusive === false ? "<" : "≤", issue.maximum, schema);
    case "invalid_value":
      return listedBriefly(issue.values.map((value) => JSON.stringify(value)));
    case "invalid_union": {
      const kinds = namesIn(issue, schema);
      if (kinds.length > 0) return listedBriefly(kinds.map((kind) => JSON.stringify(kind)));
      return listed([...new Set(issue.errors.flatMap(([first]) => (first === undefined ? [] : [first.message])))]);
    }
    default:
      return "another value";
  }
}

function bounded(origin: string, relation: string, bound: number | bigint | undefined, schema: unknown): string {
  if (origin === "array") return `an array with ${relation} ${String(bound)} elements`;
  return `${isWhole(schema) ? "a whole number" : "a finite number"} ${relation} ${String(bound)}`;
}

function isWhole(schema: unknown): boolean {
  return schema instanceof z.ZodNumber && schema.format === "safeint";
}

/** The value at `path`, or `undefined` if the path leaves the value. */
function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, step) => {
    return typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[step] : undefined;
  }, value);
}

function placeOf(path: readonly PropertyKey[]): string {
  return path.map((step,
    index) => (typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${String(step)}`)
  ).join("");
}

/** A value as an error message shows it: short, whatever it is. */
export function valueText(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "nothing";
    case "string":
      return quoted(withoutPassword(value));
    case "bigint":
      return `${value}n`;
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    case "object":
      return objectText(value);
    default:
      return String(value);
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
}

/** A text for messages: a URL in it, such as that of a queue, without user and password, which may contain an "@". */
export function withoutPassword(text: string): string {
  return text.replace(/:\/\/[^\n]*@/g, "://…@");
}

function objectText(value: object | null): string {
  if (value === null) return "null";
  const name = classNameOf(value);
  if (name === undefined || name === "Object" || name === "") return "an object";
  const length = name === "Array" || ArrayBuffer.isView(value) ? lengthOf(value) : undefined;
  return `${name === "Array" ? "an array" : withArticle(name)}${length === undefined ? "" : ` of ${length} elements`}`;
}

function lengthOf(value: object): string | undefined {
  try {
    return "length" in value ? String(value.length) : undefined;
  } catch {
    return undefined;
  }
}

/** The name of a value's class, whatever its class and its proxy do when it is read. */
function classNameOf(value: object): string | undefined {
  try {
    if (Array.isArray(value)) return "Array";
    const name: unknown = (Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null)?.constructor
      ?.name;
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}

/** `a Model`. */
export function withArticle(name: string): string {
  return `${/^[AEIOU]/.test(name) && !name.startsWith("Uint") ? "an" : "a"} ${name}`;
}
