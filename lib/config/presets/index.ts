import { z } from "zod";
import { findByName } from "../nearest-name.js";
import { CIFAR100_PRESETS } from "./cifar100.js";
import { COCO_PRESETS } from "./detection.js";
import { IMAGENET_PRESETS } from "./imagenet.js";
import { Preset } from "../schemas/preset.js";
import { parse } from "../validation.js";

const TABLE = { ...CIFAR100_PRESETS, ...IMAGENET_PRESETS, ...COCO_PRESETS };

/** Name of a preset. */
export type PresetName = keyof typeof TABLE;

let presets: readonly Preset[] | undefined;

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

/**
 * All presets, frozen: the official schedules and the pairs of networks with published results.
 *
 * @example
 * ```ts
 * for (const { name, description } of listPresets()) console.log(name, description);
 * ```
 */
export function listPresets(): readonly Preset[] {
  // Validated at the first use: most runs of the command line use none.
  return presets ??= Object.freeze(
    Object.entries(TABLE).map(([name, entry]) => deepFreeze(parse(Preset, { name, ...entry }, `the preset ${name}`))),
  );
}

/**
 * The preset of this name.
 *
 * @throws `UNKNOWN_NAME`: no such preset; `valid` lists the names.
 */
export function findPreset(name: string): Preset {
  return findByName(listPresets(), parse(z.string(), name, "preset"), { role: "preset",
    lists: "`reviewkd presets` lists them." });
}
