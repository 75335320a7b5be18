import type { Settings } from "../../index.js";

/** Drops keys whose value is `undefined`: what was not given must not hide what a lower layer says. */
export function given(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** {@link given}, or `undefined` where nothing was. */
export function givenOrNothing(settings: Settings): Settings | undefined {
  const kept = given(settings);
  return Object.keys(kept).length === 0 ? undefined : kept;
}
