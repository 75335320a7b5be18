import { z } from "zod";
import { causedBy, isReviewKdError, ReviewKdError } from "../errors.js";
import { listed, nearestName } from "./nearest-name.js";

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
  readonly fix?: string;
}

/**
 * Checks `value` against `schema` and returns it with its defaults filled in.
 *
 * @param what - A noun for the value: "training options", "the configuration file run.yaml".
 * @throws `INVALID_ARGUMENT` (or `code`): each problem as "invalid …: expected …, received ….", with the nearest name
 * for an unknown one.
 *
 * @example
 * ```ts
 * const options = parse(TrainingOptions, { epochs: 10 }, "training options");
 * ```
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string,
  code: ParseErrorCode = "INVALID_ARGUMENT"): z.output<S> {
  const hints = new Map<string, Hint>();
  const result = read(() => schema.safeParse(value, { error: (issue) => expectationOf(issue, hints) }), what, code);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, value, hints.get(issue.message)));
  const valid = problems.find((problem) => problem.valid.length > 0)?.valid ?? [];
  throw new ReviewKdError(code, messageFor(problems, what), { valid });
}

/** Getters and proxies of the caller may throw anything. */
function read<Result>(work: () => Result, what: string, code: ParseErrorCode): Result {
  try {
    return work();
  } catch (error) {
    if (isReviewKdError(error)) throw error;
    throw causedBy(code, `invalid ${what}: expected values that can be read, received one that throws`, error,
      "Pass plain data.");
  }
}

/** @throws `INVALID_ARGUMENT` unless a value, of which fields are read before it is parsed, is an object. */
export function assertObject(value: unknown, what: string): asserts value is object {
  if (typeof value === "object" && value !== null) return;
  throw new ReviewKdError("INVALID_ARGUMENT", `invalid ${what}: expected an object, received ${valueText(value)}.`);
}

function messageFor(problems: readonly Problem[], what: string): string {
  const [first] = problems;
  const noun = what.replace(/^(?:the|an?) /, "");
  if (first !== undefined && problems.length === 1)
    return `invalid ${first.place === "" ? noun : `${first.place} in ${what}`}: ${first.text}`;
  return `invalid ${noun}: ${problems.length} problems\n${problems.map(({ place, text }) => `  - ${place === "" ? what : place}: ${text}`).join("\n")}`;
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown, { valid = [], fix }: Hint = {}): Problem[] {
  const problem = (path: readonly PropertyKey[], received: unknown): Problem => {
    const near = typeof received === "string" ? nearestName(received, valid) : undefined;
    const help = near === undefined ? fix : `Did you mean "${near}"?`;
    return { place: placeOf(path),
      text: `expected ${issue.message}, received ${valueText(received)}.${help === undefined ? "" : ` ${help}`}`,
      valid };
  };
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => problem(issue.path, key));
  return [problem(issue.path, valueAt(value, issue.path))];
}

/** The error map of {@link parse}: what was expected, in words. The schema's own description comes first. */
function expectationOf(issue: z.core.$ZodRawIssue, hints: Map<string, Hint>): string {
  const schema = issue.schema ?? issue.inst;
  const { description, fix } = (schema instanceof z.ZodType ? z.globalRegistry.get(schema) : undefined) ?? {};
  const valid = namesIn(issue, schema);
  const text = description ??
    (issue.code === "unrecognized_keys" ? `one of the keys ${valid.join(", ") || "of an empty object"}`
      : inWords(issue, schema));
  hints.set(text, { valid, ...(typeof fix === "string" && { fix }) });
  return text;
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
      return listed(issue.values.map((value) => JSON.stringify(value)));
    case "invalid_union": {
      const kinds = namesIn(issue, schema);
      if (kinds.length > 0) return listed(kinds.map((kind) => JSON.stringify(kind)));
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
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value);
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

function objectText(value: object | null): string {
  if (value === null) return "null";
  const name = classNameOf(value);
  if (name === "Array") return `an array of ${(value as readonly unknown[]).length} elements`;
  if (name === undefined || name === "Object" || name === "") return "an object";
  return ArrayBuffer.isView(value) && "length" in value ? `${withArticle(name)} of ${String(value.length)} elements`
    : withArticle(name);
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

function withArticle(name: string): string {
  return `${/^[AEIOU]/.test(name) && !name.startsWith("Uint") ? "an" : "a"} ${name}`;
}
