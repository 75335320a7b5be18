// Where annotations or results come from: an object, or the path of a JSON file, which is read element by element.
import { valueText } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import { readJsonElements, type Visit } from "./json-elements.js";
import type { Pacer } from "../api/pacer.js";

export class CocoSource {
  readonly #path: string | undefined;

  /** @param value - an object, an array, or a path. */
  constructor(private readonly value: unknown, private readonly what: string) {
    this.#path = typeof value === "string" ? value : undefined;
  }

  /** Visits the elements of lists by their keys. @throws ReviewKdError for a missing list, and what `visits` throw. */
  async read(visits: Readonly<Record<string, Visit>>, pacer: Pacer): Promise<void> {
    const byKey = new Map(Object.entries(visits));
    const found = this.#path === undefined ? await this.#readObject(byKey, pacer)
      : await readJsonElements(this.#path, byKey, pacer);
    const missing = [...byKey.keys()].find((key) => !found.has(key));
    if (missing === undefined) return;
    throw this.#error(this.what, `an object with the lists ${[...byKey.keys()].join(", ")}`, `one without ${missing}`);
  }

  /** Visits the elements of a list without a key. */
  async readList(visit: Visit, pacer: Pacer): Promise<void> {
    if (this.#path !== undefined) {
      const found = await readJsonElements(this.#path, new Map([["", visit]]), pacer);
      if (!found.has("")) throw this.#error(this.what, "a list", "an object");
    } else {
      await this.#visitAll(this.value, this.what, visit, pacer);
    }
  }

  async #readObject(visits: ReadonlyMap<string, Visit>, pacer: Pacer): Promise<Set<string>> {
    if (typeof this.value !== "object" || this.value === null || Array.isArray(this.value))
      throw this.#error(this.what, "an object or the path of a JSON file", valueText(this.value));
    const found = new Set<string>();
    for (const [key, visit] of visits) {
      const list = (this.value as Record<string, unknown>)[key];
      if (list === undefined) continue;
      await this.#visitAll(list, key, visit, pacer);
      found.add(key);
    }
    return found;
  }

  async #visitAll(list: unknown, what: string, visit: Visit, pacer: Pacer): Promise<void> {
    if (!Array.isArray(list)) throw this.invalid(what, "a list", list);
    for (let index = 0; index < list.length; index++) {
      visit(list[index], index);
      if (pacer.isDue()) await pacer.pause();
    }
  }

  /** The error of a value: of an argument, or of the content of a file. */
  invalid(place: string, expected: string, received: unknown, fix?: string): ReviewKdError {
    return this.#error(place, expected, valueText(received), fix);
  }

  #error(place: string, expected: string, received: string, fix?: string): ReviewKdError {
    const advice = fix === undefined ? "" : ` ${fix}`;
    return this.#path === undefined
      ? new ReviewKdError("INVALID_ARGUMENT", `invalid ${place}: expected ${expected}, received ${received}.${advice}`)
      : new ReviewKdError("FILE_CORRUPT",
        `invalid ${place} in ${this.#path}: expected ${expected}, received ${received}.${advice}`);
  }

  /** An error that native code found in the values of this source. */
  located(error: ReviewKdError): ReviewKdError {
    if (this.#path === undefined) return error;
    return new ReviewKdError("FILE_CORRUPT", error.message.replace(/^(invalid [^:]*):/, `$1 in ${this.#path}:`), {
      cause: error,
    });
  }
}
