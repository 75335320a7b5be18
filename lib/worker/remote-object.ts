// What a caller holds of the worker's objects: a handle, the properties that came with it, and a method for each row of its class.
import { ReviewKdError } from "../errors.js";
import { kindOf, setKind, type ClassRow, type Row, type Table } from "./table.js";

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
  readonly receipt: Receipt;
  readonly state: Record<string, unknown>;
  /** The object whose property this one is: while a part is in use, so is the whole. */
  owner?: RemoteObject;
  disposed: boolean;
}

/** Releases objects that the caller cannot reach any more, as in a single process. */
const unreachable = new FinalizationRegistry<Receipt>(({ caller, handle, count }) => { caller.release(handle, count); });

/** An object in the worker's memory. */
export class RemoteObject {
  readonly #internals: Internals;

  /** @internal */
  constructor(caller: Caller, handle: number, kind: string, state: Record<string, unknown>) {
    this.#internals = { receipt: { caller, handle, count: 1 }, state, disposed: false };
    setKind(this, kind);
    unreachable.register(this, this.#internals.receipt, this);
  }

  /** @internal */
  static internalsOf(object: RemoteObject): Internals {
    return object.#internals;
  }

  dispose(): void {
    const { disposed, receipt } = this.#internals;
    if (disposed) return;
    this.#internals.disposed = true;
    unreachable.unregister(this);
    receipt.caller.release(receipt.handle, null);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ReviewKdError `DISPOSED` */
export function handleOf(object: RemoteObject): number {
  const { disposed, receipt } = RemoteObject.internalsOf(object);
  if (!disposed) return receipt.handle;
  throw new ReviewKdError("DISPOSED", `invalid ${kindOf(object)}: expected one that is in use, received one that was disposed of. Create it again.`);
}

type RemoteClass = new (...args: ConstructorParameters<typeof RemoteObject>) => RemoteObject;

/** A class of remote objects for each class of a table. */
export function remoteClasses({ classes }: Table): ReadonlyMap<string, RemoteClass> {
  return new Map(Object.entries(classes).map(([kind, row]) => [kind, remoteClass(kind, row)]));
}

function remoteClass(kind: string, { properties, constants = {}, methods }: ClassRow): RemoteClass {
  const Class = class extends RemoteObject {};
  const define = (target: object, name: string, descriptor: PropertyDescriptor): void => {
    Object.defineProperty(target, name, { configurable: true, ...descriptor });
  };
  const read = (object: RemoteObject, name: string): unknown => RemoteObject.internalsOf(object).state[name];
  define(Class, "name", { value: `Remote${kind}` });
  for (const name of Object.keys(properties)) define(Class.prototype, name, { get(this: RemoteObject) { return read(this, name); } });
  for (const name of Object.keys(constants)) define(Class.prototype, name, { value(this: RemoteObject) { return read(this, name); } });
  for (const [name, row] of Object.entries(methods)) {
    define(Class.prototype, name, {
      value(this: RemoteObject, ...args: unknown[]) { return RemoteObject.internalsOf(this).receipt.caller.invoke(this, name, row, args); },
    });
  }
  return Class;
}
