import { isSettings, type Settings } from "./settings.js";
import { assertObject } from "./validation.js";

/** Keys that identify an object: one with a different value replaces the object below instead of merging. */
const IDENTITIES = ["kind", "name"] as const;

/**
 * Merges layers of settings, lowest first. Objects are merged key by key, except that an object with a different `kind`
 * or `name` replaces the one below: `{ kind: "cosine" }` over `{ kind: "multi-step", factor: 0.1 }` has no `factor`.
 * Keys whose value is `undefined` count as absent. A layer with `maxSteps` and without `epochs` drops the `epochs`
 * below, which it replaces as the end of a training.
 *
 * @example
 * ```ts
 * const config = parseRunConfig(mergeSettings(await readRunConfigInput("run.yaml"), { training: { epochs: 10 } }));
 * ```
 */
export function mergeSettings(...layers: readonly Settings[]): Settings {
  for (const [index, layer] of layers.entries()) assertObject(layer, `settings[${index}]`);
  return layers.reduce(mergeTwo, {});
}

function mergeTwo(lower: Settings, upper: Settings): Settings {
  const merged: Record<string, unknown> = { ...lower };
  if (typeof upper["maxSteps"] === "number" && upper["epochs"] === undefined) merged["epochs"] = null;
  for (const [key, value] of Object.entries(upper)) {
    if (value === undefined) continue;
    const below = lower[key];
    merged[key] = isSettings(value) && isSettings(below) && !hasOtherIdentity(below, value) ? mergeTwo(below, value)
      : value;
  }
  return merged;
}

function hasOtherIdentity(lower: Settings, upper: Settings): boolean {
  return IDENTITIES.some((key) => upper[key] !== undefined && lower[key] !== undefined && upper[key] !== lower[key]);
}
