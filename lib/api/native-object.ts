import { valueText, withArticle } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";

/** @internal The name of an object's class in every copy of this package, whatever bundlers make of the class. */
export const CLASS_NAME: unique symbol = Symbol.for("reviewkd.class");

/**
 * A value that is none of these classes, as an error message shows it. One that is of another copy of this package,
 * such as that of `require` next to `import`, is said to be.
 *
 * @internal
 */
export function receivedText(value: unknown, ...names: readonly string[]): string {
  const name = nameOf(value);
  const text = name === "" ? valueText(value) : withArticle(name);
  return isForeign(value, ...names) ? `${text} of another copy of this package` : text;
}

/** @internal Whether a value is of one of these classes, but of another copy of this package. */
export function isForeign(value: unknown, ...names: readonly string[]): boolean {
  return names.includes(nameOf(value)) && !(value instanceof NativeObject);
}

/** @internal The fix for one of another copy. */
export const ONE_COPY = "Use one installation of this package, and either import or require.";

function nameOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  try {
    const name = (value as { readonly [CLASS_NAME]?: unknown })[CLASS_NAME];
    return typeof name === "string" ? name : "";
  } catch {
    return "";
  }
}

/** An object of native code. Its memory is freed with it; `dispose()` or `using` frees it immediately. */
export abstract class NativeObject<Native extends { dispose(): void }> {
  readonly #native: Native;

  /** @internal */
  constructor(native: Native) {
    // The type rules this out; plain JavaScript does not.
    if (typeof (native as Partial<Native> | undefined | null)?.dispose !== "function") {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid construction of a ${new.target.name}: expected an object of native code, received ${valueText(native)}. Functions such as createModel() and Tensor.from() create such objects.`);
    }
    this.#native = native;
  }

  /** @internal Whether an object was created by its constructor, not with its prototype alone. */
  static isCreated(object: object): boolean {
    return #native in object;
  }

  /** @internal */
  abstract get [CLASS_NAME](): string;

  /** @internal */
  get native(): Native {
    return this.created.#native;
  }

  /** This object. @throws ReviewKdError `INVALID_ARGUMENT` for another one with its prototype alone. */
  protected get created(): this {
    if (#native in this) return this;
    throw new ReviewKdError("INVALID_ARGUMENT",
      "invalid object: expected one that a function of this package created, received one with its prototype alone. Copies and proxies of such objects do not work; pass the object itself.");
  }

  /** Frees the memory once nothing uses it. Later use throws `DISPOSED`; disposing twice is allowed. */
  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
