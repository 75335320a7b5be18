import { ReviewKdError } from "./errors.js";
import { isSettings } from "./merge-settings.js";
import { valueText } from "./validation.js";

/** Keys of a configuration in which a resumed run may differ: they name the machine, not the training. */
const MACHINE_KEYS: ReadonlySet<string> = new Set(["threads", "device", "training.threads", "training.device", "data.decoders"]);

/**
 * Sees to it that what goes on is what was begun.
 *
 * @param what - What was begun, with its place: "the run at runs/a".
 * @param remedy - A sentence.
 * @throws `RUN_MISMATCH`: lists each difference.
 */
export function refuseChanges(recorded: unknown, config: unknown, { what, remedy }: { readonly what: string; readonly remedy: string }): void {
  const before = flatten(recorded);
  // Through JSON and back, or a key with the value `undefined` would count as a change.
  const now = flatten(JSON.parse(JSON.stringify(config)));
  const changes = [...new Set([...before.keys(), ...now.keys()])]
    .filter((key) => !MACHINE_KEYS.has(key) && JSON.stringify(before.get(key)) !== JSON.stringify(now.get(key)))
    .map((key) => `  - ${key}: was ${plain(before.get(key))}, now ${plain(now.get(key))}`);
  if (changes.length === 0) return;
  throw new ReviewKdError(
    "RUN_MISMATCH",
    `expected the configuration with which ${what} was begun, got ${changes.length} difference${changes.length === 1 ? "" : "s"}\n` +
      `${changes.join("\n")}\n${remedy}`,
  );
}

/** Leaves of nested objects under dotted keys. Arrays count as leaves, but for those of objects. */
function flatten(value: unknown, prefix = ""): Map<string, unknown> {
  if (Array.isArray(value) && value.some(isSettings)) {
    return new Map(value.flatMap((inner: unknown, index) => [...flatten(inner, `${prefix}[${index}]`)]));
  }
  if (!isSettings(value)) return new Map([[prefix, value]]);
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...flatten(inner, prefix === "" ? key : `${prefix}.${key}`)]));
}

function plain(value: unknown): string {
  return Array.isArray(value) ? JSON.stringify(value) : valueText(value);
}
