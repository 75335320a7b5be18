import type { Settings } from "../../index.js";

/** Drops keys whose value is `undefined`, so that omitted settings do not override a lower layer. */
export function omitUndefined(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** Like {@link omitUndefined}, but `undefined` if no key is left. */
export function omitEmpty(settings: Settings): Settings | undefined {
  const kept = omitUndefined(settings);
  return Object.keys(kept).length === 0 ? undefined : kept;
}
