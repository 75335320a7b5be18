/** Settings before validation: a JSON object. */
export type Settings = Readonly<Record<string, unknown>>;

/** Whether `value` is a plain object, of any realm: its prototype is the one that all objects of the realm have. */
export function isSettings(value: unknown): value is Settings {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf"));
}
