import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { z } from "zod";
import { asSentence, atCall, causedBy, messageOf, ReviewKdError } from "../errors.js";
import { detectorRunDefaults, withDetectorMethodDefaults } from "./detector-defaults.js";
import { filePath } from "./file-path.js";
import { mergeSettings } from "./merge-settings.js";
import { isSettings, type Settings } from "./settings.js";
import { presetSettings } from "./preset-settings.js";
import { DEFAULT_KINDS, RunConfig, type RunConfigInput } from "./schemas/run-config.js";
import { parse, valueText } from "./validation.js";

const EXTENSIONS = [".yaml", ".yml", ".json"];

/**
 * Validates a run configuration and fills in missing values, first from its preset, then from the defaults. Settings of
 * data, method, optimizer or schedule may omit `kind`: the default kind is used.
 *
 * @param what - The name of the configuration in error messages.
 * @throws `CONFIG_INVALID`, `UNKNOWN_NAME` (preset)
 *
 * @example
 * ```ts
 * const config = parseRunConfig({ task: "train", model: { name: "resnet20" }, training: { epochs: 10 } });
 * ```
 */
export function parseRunConfig(input: RunConfigInput | Settings, what = "the run configuration"): RunConfig {
  parse(z.string(), what, "name of the configuration");
  const settings = input as Settings;
  if (!isSettings(settings)) return parse(RunConfig, settings, what, "CONFIG_INVALID");
  const task = settings["task"];
  if (task !== "train" && task !== "distill") return parse(RunConfig, settings, what, "CONFIG_INVALID");
  const preset = presetSettings(task, settings, what);
  const network = mergeSettings(preset, settings)[task === "train" ? "model" : "student"];
  const name = isSettings(network) ? network["name"] : undefined;
  const merged = mergeSettings(DEFAULT_KINDS[task], detectorRunDefaults(name), preset, settings);
  return parse(RunConfig, {
    ...merged,
    ...(task === "train" ? {} : { method: withDetectorMethodDefaults(name, merged["method"]) }),
  }, what, "CONFIG_INVALID");
}

/**
 * Reads a complete run configuration from a `.yaml`, `.yml` or `.json` file, for example `config.json` of a run
 * directory.
 *
 * @throws `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_UNSUPPORTED`, `CONFIG_INVALID` (syntax with its line; unknown keys
 * with the nearest known one), `UNKNOWN_NAME`
 *
 * @example
 * ```ts
 * for await (const event of runExperiment(await readRunConfig("run.yaml"))) console.log(event.type);
 * ```
 */
export async function readRunConfig(path: string): Promise<RunConfig> {
  return atCall(readConfig(path));
}

async function readConfig(path: string): Promise<RunConfig> {
  return parseRunConfig(await readRunConfigInput(path), path);
}

/**
 * Reads settings from a `.yaml`, `.yml` or `.json` file without validation beyond syntax, so that they may be a partial
 * configuration.
 *
 * @throws `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_UNSUPPORTED`, `CONFIG_INVALID` (syntax with its line)
 */
export async function readRunConfigInput(path: string): Promise<Settings> {
  return atCall(readInput(path));
}

async function readInput(file: string): Promise<Settings> {
  const path = parse(filePath("path of a configuration file"), file, "path of a configuration file");
  const extension = extname(path).toLowerCase();
  if (!EXTENSIONS.includes(extension)) {
    const message = `invalid configuration file: expected a name that ends in ${EXTENSIONS.join(", ")}, received ${path}.`;
    throw new ReviewKdError("FILE_UNSUPPORTED", message);
  }
  const text = await readText(path);
  const value: unknown = extension === ".json" ? readJson(text, path) : await readYaml(text, path);
  if (isSettings(value)) return value;
  throw new ReviewKdError("CONFIG_INVALID",
    `invalid configuration file ${path}: expected keys and values, received ${valueText(value)}.`);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw causedBy("FILE_ACCESS", `cannot read the configuration file ${path}`, error, "Check its permissions.");
    throw new ReviewKdError("FILE_NOT_FOUND", `no configuration file at ${path}. Check the path.`, { cause: error });
  }
}

function readJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 reports an offset, except if the text ends too early.
    const offset = Number(/position (\d+)/.exec(messageOf(error))?.[1] ?? text.length);
    const before = text.slice(0, offset).split("\n");
    throw syntaxError(path, before.length, (before.at(-1)?.length ?? 0) + 1, error);
  }
}

async function readYaml(text: string, path: string): Promise<unknown> {
  // Loaded here, because most runs of the command line read no such file.
  const { LineCounter, parseDocument } = await import("yaml");
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
    throw causedBy("CONFIG_INVALID", `cannot expand the YAML aliases in ${path}`, cause, "Write the values out.");
  }
}

function syntaxError(path: string, line: number, column: number, cause: unknown): ReviewKdError {
  const message = `invalid syntax in ${path} at line ${line}, column ${column}: ${asSentence(messageOf(cause))}`;
  return new ReviewKdError("CONFIG_INVALID", message, { cause });
}
