import type { Command } from "commander";
import { z } from "zod";
import type { Settings } from "../../index.js";
import { addValue } from "./add-value.js";
import { count, counts, nonNegativeNumber, nullIfNone, oneOf, positiveCount, positiveNumber, text,
  type ValueParser } from "./values.js";

/** A flag of the command line for one setting of a configuration. Its type, range and default are the schema's. */
export interface FlagRow {
  /** Dotted path of the setting: `training.optimizer.learningRate`. */
  readonly path: string;
  /** As commander takes it: `--learning-rate <x>`, or `--no-nesterov` for a setting that is on by default. */
  readonly flag: string;
  readonly help: string;
  /** Replaces the parser that follows from the schema. */
  readonly parser?: ValueParser<unknown>;
  /** Whether `none` stands for `null`. */
  readonly nullable?: true;
}

/** The part of a JSON schema that is read here. */
interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** Adds the flags of a table to a command. Flags that are not passed stay unset: every default is the schema's. */
export function addSchemaFlags(command: Command, schema: z.ZodType, rows: readonly FlagRow[]): Command {
  const root = jsonSchemaOf(schema);
  for (const { path, flag, help, parser } of rows) {
    const setting = settingAt(root, path.split("."));
    if (setting === undefined) throw new TypeError(`the flag ${flag} names no setting of the schema: ${path}`);
    if (!flag.includes("<")) {
      command.option(flag, help);
    } else {
      addValue(command, flag, `${help}${defaultText(setting.default)}`, parser ?? parserOf(setting, path));
    }
  }
  return command;
}

const converted = new WeakMap<z.ZodType, JsonSchema>();

/** Converts a schema once: several commands and tables share one, and this takes most of a command's start. */
function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const known = converted.get(schema) ?? z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
  converted.set(schema, known);
  return known;
}

/** The flags that the user passed, as nested settings at their paths. */
export function schemaSettings(flags: Readonly<Record<string, unknown>>, rows: readonly FlagRow[]): Settings {
  const settings: Record<string, unknown> = {};
  for (const { path, flag, nullable } of rows) {
    const value = flags[attributeOf(flag)];
    // Commander gives a `--no-…` option the value true when the flag is absent.
    if (value === undefined || (flag.startsWith("--no-") && value === true)) continue;
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    let parent = settings;
    for (const key of keys) parent = (parent[key] ??= {}) as Record<string, unknown>;
    parent[last] = nullable === true ? nullIfNone(value) : value;
  }
  return settings;
}

/** The property under which commander keeps a flag: `learningRate` for `--learning-rate <x>`. */
function attributeOf(flag: string): string {
  const [long = ""] = flag.split(" ");
  return long.replace(/^--(no-)?/, "").replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The schema of the setting at a path. Alternatives that differ in it, as `kind` does, become one list of words. */
function settingAt(schema: JsonSchema, path: readonly string[]): JsonSchema | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return schema;
  const variants = [schema, ...schema.anyOf ?? [], ...schema.oneOf ?? []];
  const found = variants.flatMap(({ properties }) => {
    const setting = properties?.[key] === undefined ? undefined : settingAt(properties[key], rest);
    return setting === undefined ? [] : [setting];
  });
  const words = found.flatMap((setting) => (setting.const === undefined ? [] : [setting.const]));
  const preset = (schema.default as Record<string, unknown> | undefined)?.[key];
  if (words.length > 1) return { enum: words, default: preset };
  const [first, ...others] = found;
  return others.every((other) => other.default === first?.default) ? first : { ...first, default: undefined };
}

function defaultText(value: unknown): string {
  return typeof value === "number" || typeof value === "string" || typeof value === "boolean" ? ` (default: ${value})`
    : "";
}

function parserOf(setting: JsonSchema, path: string): ValueParser<unknown> {
  const plain = setting.anyOf?.find(({ type }) => type !== "null") ?? setting;
  const positive = plain.exclusiveMinimum === 0 || (plain.minimum ?? 0) > 0;
  if (plain.enum !== undefined) return oneOf(plain.enum.map(String));
  switch (plain.type) {
    case "integer":
      return positive ? positiveCount : count;
    case "number":
      return positive ? positiveNumber : nonNegativeNumber;
    case "array":
      return counts;
    case "string":
      return text;
    default:
      throw new TypeError(`no parser for settings of type ${String(plain.type)}: ${path}`);
  }
}
