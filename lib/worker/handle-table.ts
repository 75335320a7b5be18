// The objects that a worker keeps for its caller, by handle.
import { isError, ReviewKdError } from "../errors.js";
import { flagOf, type Table } from "./table.js";
import { encode, type Reference } from "./values.js";

/** A class as the operator `instanceof` takes it. */
export interface Instances {
  [Symbol.hasInstance](value: unknown): boolean;
}

interface Held {
  readonly kind: string;
  /** The object, or the error of its creation. */
  readonly value: object;
  /** How often the caller was sent the handle. */
  sent: number;
  /** Live properties as they were sent last; of a list, its length. */
  readonly known: Map<string, unknown>;
}

export class HandleTable {
  readonly #held = new Map<number, Held>();
  readonly #handles = new WeakMap<object, number>();
  #next = 1;

  constructor(private readonly table: Table, private readonly classes: Readonly<Record<string, Instances>>) {}

  /** A value as it is sent: each object of the API becomes a handle with its properties. */
  encode(value: unknown, copy = true): unknown {
    return encode(value, (object) => this.#refer(object), copy);
  }

  /** Keeps an object of a class, or the error of its creation, under a handle that the caller chose. */
  holdAs(handle: number, kind: string, value: object): void {
    if (this.#held.has(handle))
      throw new ReviewKdError("INTERNAL", `invalid handle: expected a new one, received ${handle}, which is in use.`);
    this.#hold(handle, kind, value).sent = 1;
  }

  /** @throws ReviewKdError `DISPOSED`, and what the object's creation threw. */
  get(handle: number, kind?: string): Pick<Held, "kind" | "value"> {
    const held = this.#held.get(handle);
    // The caller releases a handle when its object is disposed of, and uses none of another worker's.
    if (held === undefined) {
      throw new ReviewKdError("DISPOSED",
        `invalid handle ${handle}: expected an object in use, received one that was disposed of. Create it again.`);
    }
    if (isError(held.value)) throw held.value;
    if (kind === undefined || held.kind === kind) return held;
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid handle ${handle}: expected a ${kind}, received a ${held.kind}.`);
  }

  /** Drops a handle unless it was sent more than `count` times; null: drops it at once and disposes of the object. */
  release(handle: number, count: number | null): void {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    held.sent -= count ?? held.sent;
    if (held.sent > 0) return;
    this.#held.delete(handle);
    this.#handles.delete(held.value);
    if (count === null) (held.value as Partial<Disposable>)[Symbol.dispose]?.();
  }

  /** Live properties that have changed since they were sent. */
  *changes(): Generator<{ readonly handle: number; readonly property: string; readonly value: unknown }, void, void> {
    for (const [handle, { value, known }] of this.#held) {
      for (const [property, before] of known) {
        const current = read(value, property);
        if (measured(current) === before) continue;
        known.set(property, measured(current));
        yield { handle, property, value: Array.isArray(current) ? current.slice(Number(before)) : current };
      }
    }
  }

  #refer(value: object): Reference | undefined {
    const kind = Object.keys(this.classes).find((name) => this.classes[name]?.[Symbol.hasInstance](value) === true);
    if (kind === undefined) return undefined;
    const handle = this.#handles.get(value) ?? this.#next++;
    ++(this.#held.get(handle) ?? this.#hold(handle, kind, value)).sent;
    const state = Object.keys(this.table.classes[kind]?.properties ?? {}).map((name) =>
      [name, read(value, name)] as const
    );
    return { kind, handle, state: this.encode(Object.fromEntries(state)) };
  }

  #hold(handle: number, kind: string, value: object): Held {
    const live = isError(value) ? [] : this.table.classes[kind]?.live ?? [];
    const held = { kind, value, sent: 0,
      known: new Map(live.map((property) => [property, measured(read(value, property))])) };
    this.#held.set(handle, held);
    this.#handles.set(value, handle);
    return held;
  }
}

function read(object: object, name: string): unknown {
  const member: unknown = object[name as keyof typeof object];
  if (typeof member !== "function") return member;
  const flag = flagOf(name);
  const result = (options: object): unknown => member.call(object, options);
  return typeof flag === "string" ? [result({}), result({ [flag]: true })] : result({});
}

function measured(value: unknown): unknown {
  return Array.isArray(value) ? value.length : value;
}
