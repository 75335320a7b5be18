import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { messageOf, ReviewKdError } from "../errors.js";
import { isSettings, mergeSettings, type Settings } from "./merge-settings.js";
import { findPreset } from "./presets/index.js";
import type { StoredDataSource } from "./schemas/data.js";
import type { Preset } from "./schemas/preset.js";
import { DEFAULT_KINDS, RunConfig, type RunConfigInput } from "./schemas/run-config.js";
import { parse, valueText } from "./validation.js";

const EXTENSIONS = [".yaml", ".yml", ".json"];

/**
 * Checks a run configuration and fills in what it leaves open: from its preset first, then from the defaults. Settings
 * of data, method, optimizer or schedule may go without a `kind`: the default one is meant.
 *
 * @param what - What errors call it.
 * @throws `CONFIG_INVALID`, `UNKNOWN_NAME` (preset)
 *
 * @example
 * ```ts
 * const config = parseRunConfig({ task: "train", model: { name: "resnet20" }, training: { epochs: 10 } });
 * ```
 */
export function parseRunConfig(input: RunConfigInput | Settings, what = "the run configuration"): RunConfig {
  const settings = input as Settings;
  if (!isSettings(settings)) return parse(RunConfig, settings, what, "CONFIG_INVALID");
  const task = settings["task"];
  if (task !== "train" && task !== "distill") return parse(RunConfig, settings, what, "CONFIG_INVALID");
  const layers: Settings[] = [DEFAULT_KINDS[task]];
  if (typeof settings["preset"] === "string") layers.push(presetSettings(task, settings["preset"]));
  return parse(RunConfig, mergeSettings(...layers, settings), what, "CONFIG_INVALID");
}

/** The kind of data source that a preset's data set comes as. */
const DATA_KINDS = { cifar100: "cifar100", imagenet: "image-folder" } as const satisfies Record<Preset["dataset"], StoredDataSource["kind"]>;

/** What a preset settles of a run of this task. */
export function presetSettings(task: RunConfig["task"], name: string): Settings {
  const { dataset, teacher, student, method, training } = findPreset(name);
  const shared = { data: { kind: DATA_KINDS[dataset] }, training };
  if (task === "train") return shared;
  return {
    ...shared,
    method,
    ...(teacher === undefined ? {} : { teacher: { name: teacher } }),
    ...(student === undefined ? {} : { student: { name: student } }),
  };
}

/**
 * Reads a whole run configuration from a `.yaml`, `.yml` or `.json` file, `config.json` of a run directory say.
 *
 * @throws `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_UNSUPPORTED`, `CONFIG_INVALID` (syntax with its line; unknown keys with the nearest known one), `UNKNOWN_NAME`
 *
 * @example
 * ```ts
 * for await (const event of runExperiment(await readRunConfig("run.yaml"))) console.log(event.type);
 * ```
 */
export async function readRunConfig(path: string): Promise<RunConfig> {
  return parseRunConfig(await readRunConfigInput(path), path);
}

/**
 * Reads settings from a `.yaml`, `.yml` or `.json` file as they stand there: checked for syntax alone, so that they may
 * be part of a configuration.
 *
 * @throws `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_UNSUPPORTED`, `CONFIG_INVALID` (syntax with its line)
 */
export async function readRunConfigInput(path: string): Promise<Settings> {
  const extension = extname(path).toLowerCase();
  if (!EXTENSIONS.includes(extension)) {
    throw new ReviewKdError("FILE_UNSUPPORTED", `expected a name that ends in ${EXTENSIONS.join(", ")} for a configuration file, got ${path}`);
  }
  const text = await readText(path);
  const value: unknown = extension === ".json" ? readJson(text, path) : readYaml(text, path);
  if (isSettings(value)) return value;
  throw new ReviewKdError("CONFIG_INVALID", `expected keys and values for the configuration file ${path}, got ${valueText(value)}`);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new ReviewKdError(
      missing ? "FILE_NOT_FOUND" : "FILE_ACCESS",
      `expected a configuration file at ${path}, got ${missing ? "nothing there" : messageOf(error)}`,
      { cause: error },
    );
  }
}

function readJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 gives an offset, or none where the text ends too early.
    const offset = Number(/position (\d+)/.exec(messageOf(error))?.[1] ?? text.length);
    const before = text.slice(0, offset).split("\n");
    throw syntaxError(path, before.length, (before.at(-1)?.length ?? 0) + 1, error);
  }
}

function readYaml(text: string, path: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    throw syntaxError(path, line, col, error);
  }
  try {
    return document.toJS();
  } catch (cause) {
    throw new ReviewKdError("CONFIG_INVALID", `expected aliases of modest size in ${path}, got: ${messageOf(cause)}`, { cause });
  }
}

function syntaxError(path: string, line: number, column: number, cause: unknown): ReviewKdError {
  return new ReviewKdError("CONFIG_INVALID", `expected valid syntax in ${path}, got at line ${line}, column ${column}: ${messageOf(cause)}`, { cause });
}
