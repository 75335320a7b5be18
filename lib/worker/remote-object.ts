// The caller's side of an object of the worker: a handle, the properties sent with it, and a method for each row of its
// class.
import { ReviewKdError } from "../errors.js";
import { flagOf, type ClassRow, type Row, type Table } from "./table.js";
import type { Reference } from "./values.js";

/** The way to the worker, as its objects use it. */
export interface Caller {
  invoke(target: RemoteObject, name: string, row: Row, args: readonly unknown[]): unknown;
  release(handle: number, count: number | null): void;
}

/** A handle, and how often it was received. */
interface Receipt {
  readonly caller: Caller;
  readonly handle: number;
  count: number;
}

interface Internals {
  readonly kind: string;
  readonly receipt: Receipt;
  readonly state: Record<string, unknown>;
  disposed: boolean;
}

/** Releases objects that the caller cannot reach any more, as in a single process. */
const unreachable = new FinalizationRegistry<Receipt>(({ caller, handle, count }) => {
  caller.release(handle, count);
});

/** An object in the worker's memory. */
export class RemoteObject {
  readonly #internals: Internals;

  /** @internal */
  constructor(caller: Caller, { kind, handle, state }: Reference) {
    const receipt = { caller, handle, count: 1 };
    this.#internals = { kind, receipt, state: state as Record<string, unknown>, disposed: false };
    unreachable.register(this, receipt, this);
  }

  /** @internal */
  static internalsOf(object: RemoteObject): Internals {
    return object.#internals;
  }

  dispose(): void {
    const { receipt: { caller, handle }, disposed } = this.#internals;
    if (disposed) return;
    this.#internals.disposed = true;
    unreachable.unregister(this);
    caller.release(handle, null);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ReviewKdError `DISPOSED` */
export function referTo(object: RemoteObject): Reference {
  const { kind, receipt: { handle }, disposed } = RemoteObject.internalsOf(object);
  if (!disposed) return { kind, handle };
  throw new ReviewKdError("DISPOSED",
    `invalid ${kind}: expected one in use, received one that was disposed of. Create it again.`);
}

type RemoteClass = new(...args: ConstructorParameters<typeof RemoteObject>) => RemoteObject;

/** A class of remote objects for each class of a table. */
export function remoteClasses({ classes }: Table): Readonly<Record<string, RemoteClass>> {
  return Object.fromEntries(Object.entries(classes).map(([kind, row]) => [kind, remoteClass(kind, row)]));
}

function remoteClass(kind: string, { properties, methods }: ClassRow): RemoteClass {
  const Class = class extends RemoteObject {};
  Object.defineProperty(Class, "name", { value: `Remote${kind}` });
  const define = (name: string, member: PropertyDescriptor & ThisType<RemoteObject>): void => {
    Object.defineProperty(Class.prototype, name, member);
  };
  for (const name of Object.keys(properties)) {
    const flag = flagOf(name);
    const read = function (this: RemoteObject, options: Readonly<Record<string, unknown>> = {}): unknown {
      const value = RemoteObject.internalsOf(this).state[name];
      return typeof flag === "string" ? (value as readonly unknown[])[options[flag] === true ? 1 : 0] : value;
    };
    define(name, flag === undefined ? { get: read } : { value: read });
  }
  for (const [name, row] of Object.entries(methods)) {
    define(name, { value(...args: unknown[]) {
      return RemoteObject.internalsOf(this).receipt.caller.invoke(this, name, row, args);
    } });
  }
  return Class;
}
