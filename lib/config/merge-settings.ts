/** Settings before they are checked: an object as JSON has it. */
export type Settings = Readonly<Record<string, unknown>>;

/** An object that gives another value to one of these keys speaks of another thing than the object below it. */
const IDENTITIES = ["kind", "name"] as const;

/**
 * Lays settings over each other, lowest layer first. Objects are merged key by key, except that an object which names
 * another thing replaces the one below: `{ kind: "cosine" }` over `{ kind: "multi-step", factor: 0.1 }` has no `factor`.
 * Keys whose value is `undefined` are as good as absent.
 *
 * @example
 * ```ts
 * const config = parseRunConfig(mergeSettings(await readRunConfigInput("run.yaml"), { training: { epochs: 10 } }));
 * ```
 */
export function mergeSettings(...layers: readonly Settings[]): Settings {
  return layers.reduce(mergeTwo, {});
}

function mergeTwo(lower: Settings, upper: Settings): Settings {
  const merged: Record<string, unknown> = { ...lower };
  for (const [key, value] of Object.entries(upper)) {
    if (value === undefined) continue;
    const below = lower[key];
    merged[key] = isSettings(value) && isSettings(below) && !namesAnother(below, value) ? mergeTwo(below, value) : value;
  }
  return merged;
}

function namesAnother(lower: Settings, upper: Settings): boolean {
  return IDENTITIES.some((key) => upper[key] !== undefined && lower[key] !== undefined && upper[key] !== lower[key]);
}

/** Tells a plain object from everything else that `typeof` calls one. */
export function isSettings(value: unknown): value is Settings {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
