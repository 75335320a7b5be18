/** The typed arrays that columns consist of. */
type Page = Float64Array | Int32Array | Uint32Array | Uint8Array;

const PAGE_BITS = 14;
const PAGE = 2 ** PAGE_BITS;

/**
 * Numbers in pages of typed arrays: a list that grows without copying what it holds, so that reading a file never takes
 * twice the memory of its content.
 */
export class PagedArray {
  readonly #pages: Page[] = [];
  #length = 0;

  constructor(private readonly type: new(length: number) => Page) {}

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#pages.length * PAGE) this.#pages.push(new this.type(PAGE));
    this.set(this.#length++, value);
  }

  /** The number at an index below {@link PagedArray.length}. */
  at(index: number): number {
    return (this.#pages[index >>> PAGE_BITS] as Page)[index & (PAGE - 1)] as number;
  }

  set(index: number, value: number): void {
    (this.#pages[index >>> PAGE_BITS] as Page)[index & (PAGE - 1)] = value;
  }
}

/** Texts as UTF-8 bytes, without a JavaScript string for each. */
export class PagedText {
  readonly #bytes = new PagedArray(Uint8Array);
  readonly #ends = new PagedArray(Float64Array);

  push(text: string): void {
    for (const byte of new TextEncoder().encode(text)) this.#bytes.push(byte);
    this.#ends.push(this.#bytes.length);
  }

  at(index: number): string {
    const start = index === 0 ? 0 : this.#ends.at(index - 1);
    const bytes = Uint8Array.from({ length: this.#ends.at(index) - start },
      (_, offset) => this.#bytes.at(start + offset));
    return new TextDecoder().decode(bytes);
  }
}
