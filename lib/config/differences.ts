import { isSettings } from "./settings.js";

/** A setting in which two configurations differ; `was` or `now` is undefined if one of them lacks it. */
export interface Difference {
  readonly key: string;
  readonly was: unknown;
  readonly now: unknown;
}

/** The leaves of nested settings under dotted keys. Arrays count as leaves, except arrays of objects. */
export function flattened(value: unknown, prefix = ""): Map<string, unknown> {
  if (Array.isArray(value) && value.some(isSettings)) {
    return new Map(value.flatMap((inner: unknown, index) => [...flattened(inner, `${prefix}[${index}]`)]));
  }
  if (!isSettings(value)) return new Map([[prefix, value]]);
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [...flattened(inner, prefix === "" ? key : `${prefix}.${key}`)]),
  );
}

/** The leaves in which two sets of them differ. A leaf of `null` is the same as one that is missing. */
export function differences(before: ReadonlyMap<string, unknown>, now: ReadonlyMap<string, unknown>): Difference[] {
  return [...new Set([...before.keys(), ...now.keys()])]
    .filter((key) => JSON.stringify(before.get(key) ?? null) !== JSON.stringify(now.get(key) ?? null))
    .map((key) => ({ key, was: before.get(key), now: now.get(key) }));
}
