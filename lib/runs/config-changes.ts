import { createHash } from "node:crypto";
import { z } from "zod";
import { ReviewKdError } from "../errors.js";
import { differences, flattened } from "../config/differences.js";
import type { Change } from "../config/schemas/fit-event.js";
import { presetOptions } from "../config/schemas/run-config.js";
import { StoredDataSource } from "../config/schemas/data.js";
import { TrainingOptions } from "../config/schemas/training.js";
import { valueText } from "../config/validation.js";

/** Keys of a configuration in which a resumed run may differ, by the metadata of their schemas. */
const RESUMABLE_KEYS: ReadonlySet<string> = new Set([
  ...resumableKeys(z.object(presetOptions)),
  ...resumableKeys(TrainingOptions).flatMap((key) => [key, `training.${key}`]),
  ...StoredDataSource.options.flatMap((source) => resumableKeys(source).map((key) => `data.${key}`)),
]);

function resumableKeys({ shape }: z.ZodObject): string[] {
  return Object.keys(shape).filter((key) => (shape[key] as z.ZodType).meta()?.["resumable"] === true);
}

/**
 * The settings in which two configurations differ, but for those that do not change what is trained. A setting of
 * `null` is the same as one that a configuration of an earlier version does not have.
 */
export function configChanges(recorded: unknown, config: unknown): Change[] {
  return differences(settingsOf(recorded), settingsOf(config));
}

/** The settings that affect the training result, under dotted keys. */
export function comparableSettings(config: unknown): Map<string, unknown> {
  return settingsOf(config);
}

/** SHA-256 (hexadecimal) of all settings that affect the training result. */
export function configHash(config: unknown): string {
  const settings = [...settingsOf(config)].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex");
}

export function changeText({ key, was, now }: Change): string {
  return `${key}: was ${plain(was)}, now ${plain(now)}`;
}

/** Checks that a run or study, named by `what`, has the recorded configuration. @throws `RUN_MISMATCH` */
export function assertSameConfig(recorded: unknown, config: unknown,
  { what, remedy }: { readonly what: string; readonly remedy: string }): void {
  const changes = configChanges(recorded, config);
  if (changes.length === 0) return;
  throw new ReviewKdError("RUN_MISMATCH",
    `invalid configuration for ${what}: expected the recorded settings, received ${changes.length} difference${changes.length === 1 ? "" : "s"}:\n` +
      `${changes.map((change) => `  - ${changeText(change)}`).join("\n")}\n${remedy}`);
}

function settingsOf(config: unknown): Map<string, unknown> {
  // Round trip through JSON; otherwise a key with the value `undefined` would count as a change.
  const settings = flattened(JSON.parse(JSON.stringify(config ?? null)));
  for (const key of RESUMABLE_KEYS) settings.delete(key);
  return settings;
}

function plain(value: unknown): string {
  return Array.isArray(value) ? JSON.stringify(value) : valueText(value);
}
