import type { Settings } from "../../index.js";

/** Drops keys whose value is `undefined`: what was not given must not hide what a lower layer says. */
export function omitUndefined(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** {@link given}, or `undefined` where nothing was. */
export function omitEmpty(settings: Settings): Settings | undefined {
  const kept = omitUndefined(settings);
  return Object.keys(kept).length === 0 ? undefined : kept;
}
