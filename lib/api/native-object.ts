/** An object of native code. Its memory is freed with it; `dispose()` or `using` frees it immediately. */
export abstract class NativeObject<Native extends { dispose(): void }> {
  readonly #native: Native;

  /** @internal */
  constructor(native: Native) {
    this.#native = native;
  }

  /** @internal */
  get native(): Native {
    return this.#native;
  }

  /** Frees the memory once nothing uses it. Later use throws `DISPOSED`; disposing twice is allowed. */
  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
