import { ReviewKdError } from "./errors.js";
import { didYouMean } from "./nearest-name.js";
import { CIFAR100_PRESETS } from "./presets/cifar100.js";
import { IMAGENET_PRESETS } from "./presets/imagenet.js";
import { Preset } from "./schemas/preset.js";
import { listed, parse } from "./validation.js";

const TABLE = { ...CIFAR100_PRESETS, ...IMAGENET_PRESETS };

/** The name of a preset. */
export type PresetName = keyof typeof TABLE;

const PRESETS: readonly Preset[] = Object.freeze(
  Object.entries(TABLE).map(([name, entry]) => deepFreeze(parse(Preset, { name, ...entry }, `the preset ${name}`))),
);

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

/**
 * All presets, frozen: the official schedules, and the pairs of networks whose results were published with them.
 *
 * @example
 * ```ts
 * for (const { name, description } of listPresets()) console.log(name, description);
 * ```
 */
export function listPresets(): readonly Preset[] {
  return PRESETS;
}

/**
 * The preset of this name.
 *
 * @throws `UNKNOWN_NAME`: there is none; `valid` lists them.
 */
export function findPreset(name: string): Preset {
  const preset = PRESETS.find((candidate) => candidate.name === name);
  if (preset !== undefined) return preset;
  const valid = PRESETS.map((candidate) => candidate.name);
  throw new ReviewKdError("UNKNOWN_NAME", `expected ${listed(valid)} for preset, got "${name}"${didYouMean(name, valid)}`, { valid });
}
