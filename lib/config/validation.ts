import type { z } from "zod";
import { ReviewKdError } from "../errors.js";
import { didYouMean } from "./nearest-name.js";
import { acceptedStrings, describeSchema, knownKeys, listed, remedyOf, schemaAt, valueAt, type PathStep } from "./schema-text.js";

/** The codes with which {@link parse} can fail. */
export type ParseErrorCode = "INVALID_ARGUMENT" | "CONFIG_INVALID";

interface Problem {
  readonly text: string;
  readonly valid: readonly string[];
}

/**
 * Checks `value` against `schema` and returns it with its defaults filled in.
 *
 * @param what - What the value is, as a noun: "training options", "the configuration file run.yaml".
 * @throws `INVALID_ARGUMENT` (or `code`): lists each problem as "expected … for …, got …", and for an unknown key the nearest known one.
 *
 * @example
 * ```ts
 * const options = parse(TrainingOptions, { epochs: 10 }, "training options");
 * ```
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string, code: ParseErrorCode = "INVALID_ARGUMENT"): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, schema, value));
  const valid = problems.find((problem) => problem.valid.length > 0)?.valid ?? [];
  throw new ReviewKdError(code, messageFor(problems, what), { valid });
}

function messageFor(problems: readonly Problem[], what: string): string {
  const [first, ...rest] = problems.map((problem) => problem.text);
  if (first !== undefined && rest.length === 0) return `${what}: ${first}`;
  return `${what}: ${problems.length} problems\n${problems.map((problem) => `  - ${problem.text}`).join("\n")}`;
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.core.$ZodType, value: unknown): Problem[] {
  const judge = schemaAt(schema, value, issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(judge);
    return issue.keys.map((key) => unknownKey(key, issue.path, known));
  }
  const got = valueAt(value, issue.path);
  const valid = issue.code === "invalid_union" ? discriminatorsOf(issue) : acceptedStrings(judge);
  // A union speaks of its discriminator, one step inside of it.
  const remedy = remedyOf(issue.code === "invalid_union" ? schemaAt(schema, value, issue.path.slice(0, -1)) : judge);
  const help = didYouMean(got, valid) || (remedy === undefined ? "" : `; ${remedy}`);
  return [{ text: `expected ${expectation(issue, judge)} for ${pathText(issue.path)}, got ${valueText(got)}${help}`, valid }];
}

function unknownKey(key: string, path: readonly PathStep[], known: readonly string[]): Problem {
  const place = path.length === 0 ? "" : ` in ${pathText(path)}`;
  const keys = known.length === 0 ? "no key" : known.join(", ");
  return { text: `unknown key "${key}"${place}: expected ${keys}${didYouMean(key, known)}`, valid: known };
}

function expectation(issue: z.core.$ZodIssue, judge: z.core.$ZodType | undefined): string {
  if (issue.code === "custom") return issue.message;
  if (issue.code === "invalid_union" && issue.discriminator !== undefined) {
    return listed(discriminatorsOf(issue).map((kind) => JSON.stringify(kind)));
  }
  return judge === undefined ? issue.message : describeSchema(judge);
}

/** The kinds that a discriminated union knows; zod tells them, but its types do not say so. */
function discriminatorsOf(issue: z.core.$ZodIssueInvalidUnion): string[] {
  return "options" in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
}

function pathText(path: readonly PathStep[]): string {
  if (path.length === 0) return "the whole value";
  return path.map((step, index) => (typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${String(step)}`)).join("");
}

/** A value as an error message shows it: short, whatever it is. */
export function valueText(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "nothing";
    case "string":
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value);
    case "number":
    case "boolean":
      return String(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    case "object":
      return objectText(value);
  }
}

function objectText(value: object | null): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length} elements`;
  const name = (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor?.name;
  if (name === undefined || name === "Object" || name === "") return "an object";
  const named = `${/^[AEIOU]/.test(name) && !name.startsWith("Uint") ? "an" : "a"} ${name}`;
  return ArrayBuffer.isView(value) && "length" in value ? `${named} of ${String(value.length)} elements` : named;
}
