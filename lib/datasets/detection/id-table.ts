/**
 * The index of each id, in typed arrays: a fifth of the memory of a `Map` of a million numbers, and no growth that
 * would stall the event loop. A random key keeps a prepared file from making its ids collide.
 */
export class IdTable {
  readonly #ids: Float64Array;
  /** Index + 1 of the id in the same slot, 0 where the slot is free. */
  readonly #indices: Uint32Array;
  readonly #mask: number;
  readonly #key = Math.floor(Math.random() * 2 ** 32);

  /** A table for up to `capacity` ids, at most half full. */
  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(capacity, 1) * 2));
    this.#ids = new Float64Array(slots);
    this.#indices = new Uint32Array(slots);
    this.#mask = slots - 1;
  }

  /** Enters an id. If it is in the table already, returns the index that it has, and changes nothing. */
  add(id: number, index: number): number | undefined {
    const slot = this.#slotOf(id);
    const present = this.#indices[slot] as number;
    if (present !== 0) return present - 1;
    this.#ids[slot] = id;
    this.#indices[slot] = index + 1;
    return undefined;
  }

  get(id: number): number | undefined {
    const present = this.#indices[this.#slotOf(id)] as number;
    return present === 0 ? undefined : present - 1;
  }

  /** The slot of an id, or the free one where it belongs. */
  #slotOf(id: number): number {
    const low = mixed((id | 0) ^ this.#key);
    let slot = mixed(low ^ Math.floor(id / 2 ** 32)) & this.#mask;
    while (this.#indices[slot] !== 0 && this.#ids[slot] !== id) slot = (slot + 1) & this.#mask;
    return slot;
  }
}

/** The finalizer of MurmurHash3 (Appleby, public domain): every bit of the result depends on every bit of the value. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
