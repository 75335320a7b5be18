import { valueText } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";

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
