// The objects that a worker keeps for its caller, by handle.
import { ReviewKdError } from "../errors.js";
import { encode, type Reference, type Sent } from "./sent-values.js";
import { setKind, type ClassRow, type Table } from "./table.js";

/** A class as the operator `instanceof` takes it. */
export interface Instances {
  [Symbol.hasInstance](value: unknown): boolean;
}

interface Held {
  readonly value: object;
  /** Absent for the error of an object that could not be created. */
  readonly row: ClassRow | undefined;
  /** How often the caller was sent the handle. */
  sent: number;
  /** Live properties as they were sent last; of a list, its length. */
  readonly known: Map<string, unknown>;
}

/** A live property that changed. */
interface Change {
  readonly handle: number;
  readonly property: string;
  /** The new value; of a list, what was added. */
  readonly value: unknown;
}

export class HandleTable {
  readonly #held = new Map<number, Held>();
  readonly #handles = new WeakMap<object, number>();
  #next = 1;

  constructor(private readonly table: Table, private readonly classes: Readonly<Record<string, Instances>>) {}

  /** A value as the caller receives it: each object of the API becomes a handle with its properties. */
  encode(value: unknown, copy = true): Sent {
    return encode(value, (object) => this.#refer(object), copy);
  }

  /** Keeps an object, or the error of its creation, under a handle that the caller chose. */
  holdAs(handle: number, value: object): void {
    this.#hold(handle, value, this.#classOf(value), 1);
  }

  has(handle: number): boolean {
    return this.#held.has(handle);
  }

  /** @throws ReviewKdError `DISPOSED`, or what the object's creation threw. */
  get(handle: number): object {
    return this.#find(handle).value;
  }

  /** An object together with the row of its class. */
  target(handle: number): { readonly value: object; readonly row: ClassRow } {
    const { value, row } = this.#find(handle);
    if (row === undefined) throw new ReviewKdError("INTERNAL", `invalid handle ${handle}: expected an object of the API, received another value.`);
    return { value, row };
  }

  /** Drops what was sent `count` times and is not used by the caller any more; null: drops it at once. */
  release(handle: number, count: number | null): void {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    held.sent -= count ?? held.sent;
    if (held.sent > 0) return;
    this.#held.delete(handle);
    this.#handles.delete(held.value);
    if ("dispose" in held.value && typeof held.value.dispose === "function") held.value.dispose();
  }

  /** Live properties that changed since they were sent. */
  *changes(): Generator<Change, void, void> {
    for (const [handle, { value, row, known }] of this.#held) {
      for (const property of row?.live ?? []) {
        const current: unknown = value[property as keyof typeof value];
        const before = known.get(property);
        const now = measured(current);
        if (before === now) continue;
        known.set(property, now);
        yield { handle, property, value: Array.isArray(current) ? current.slice(Number(before)) : current };
      }
    }
  }

  #refer(object: object): Omit<Reference, "path"> | undefined {
    const kind = this.#classOf(object);
    if (kind === undefined) return undefined;
    const handle = this.#handles.get(object) ?? this.#next++;
    const held = this.#held.get(handle) ?? this.#hold(handle, object, kind, 0);
    ++held.sent;
    return { handle, kind, state: this.encode(held.row === undefined ? {} : stateOf(object, held.row)) };
  }

  #hold(handle: number, value: object, kind: string | undefined, sent: number): Held {
    const row = kind === undefined ? undefined : this.table.classes[kind];
    const known = new Map((row?.live ?? []).map((property) => [property, measured(value[property as keyof typeof value])]));
    const held: Held = { value, row, sent, known };
    this.#held.set(handle, held);
    this.#handles.set(value, handle);
    if (kind !== undefined) setKind(value, kind);
    return held;
  }

  #classOf(value: object): string | undefined {
    return Object.keys(this.classes).find((kind) => this.classes[kind]?.[Symbol.hasInstance](value) === true);
  }

  #find(handle: number): Held {
    const held = this.#held.get(handle);
    // The caller releases a handle when its object is disposed of, and uses none of another worker's.
    if (held === undefined) {
      throw new ReviewKdError("DISPOSED", `invalid handle ${handle}: expected an object that is in use, received one that was disposed of. Create it again.`);
    }
    if (held.value instanceof Error) throw held.value;
    return held;
  }
}

function measured(value: unknown): unknown {
  return Array.isArray(value) ? value.length : value;
}

function stateOf(object: object, { properties, constants = {} }: ClassRow): Record<string, unknown> {
  const member = (name: string): unknown => object[name as keyof typeof object];
  return Object.fromEntries([
    ...Object.keys(properties).map((name) => [name, member(name)] as const),
    ...Object.keys(constants).map((name) => [name, (member(name) as () => unknown).call(object)] as const),
  ]);
}
