// The worker's side: calls the package's own API for its caller.
import type { BirpcReturn } from "birpc";
import { z } from "zod";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { parse } from "../validation.js";
import { HandleTable, type Instances } from "./handle-table.js";
import { connect, PROTOCOL, ToWorker, type CallerFunctions, type Channel, type WorkerFunctions } from "./protocol.js";
import { decode, type Sent } from "./sent-values.js";
import { entryOf, kindOf, type Row, type Table } from "./table.js";

type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/** What a {@link Table} describes. */
export interface Implementation {
  readonly classes: Readonly<Record<string, Instances>>;
  readonly constructors: Functions;
  readonly functions: Functions;
}

/** A call in addition to its arguments. */
interface CallContext {
  readonly id: number;
  readonly signal: AbortSignal;
  /** Whether the caller wants progress. */
  readonly reports: boolean;
}

/** A generator that has not ended. */
interface Running {
  readonly row: Row;
  readonly items: AsyncGenerator;
  /** The last `next`. */
  busy: Promise<unknown>;
}

export interface ServerOptions {
  readonly table: Table;
  readonly implementation: Implementation;
  readonly channel: Channel;
  /** Called when the caller closes the worker. */
  readonly onClose: () => void;
  readonly onInvalid: (error: Error) => void;
}

/** Serves one caller. */
export class WorkerServer implements WorkerFunctions {
  readonly #table: Table;
  readonly #implementation: Implementation;
  readonly #onClose: () => void;
  readonly #onInvalid: (error: Error) => void;
  readonly #handles: HandleTable;
  readonly #controllers = new Map<number, AbortController>();
  readonly #running = new Map<number, Running>();
  readonly #caller: BirpcReturn<CallerFunctions>;

  constructor({ table, implementation, channel, onClose, onInvalid }: ServerOptions) {
    this.#table = table;
    this.#implementation = implementation;
    this.#onClose = onClose;
    this.#onInvalid = onInvalid;
    this.#handles = new HandleTable(table, implementation.classes);
    this.#caller = connect<CallerFunctions, WorkerFunctions>(this, channel, ToWorker, onInvalid);
    void this.#caller.ready.asEvent(PROTOCOL, process.pid);
  }

  /** Stops all calls, and waits until everything that saves its state when stopped has done so. */
  async end(): Promise<void> {
    for (const controller of this.#controllers.values()) controller.abort();
    await Promise.all([...this.#running.values()].filter(({ row }) => row.signal).map((running) => drain(running)));
  }

  async call(id: number, target: number | null, name: string, args: Sent, reports: boolean): Promise<Sent> {
    const { row, method, receiver } = this.#find(target, name);
    const controller = new AbortController();
    this.#controllers.set(id, controller);
    try {
      const result = method.apply(receiver, this.#arguments(name, row, args, { id, signal: controller.signal, reports }));
      if (row.item === undefined) return this.#handles.encode(await result, row.transfer !== true);
      this.#running.set(id, { row, items: result as AsyncGenerator, busy: Promise.resolve() });
      return this.#handles.encode(null);
    } finally {
      this.#sendChanges();
      if (!this.#running.has(id)) this.#controllers.delete(id);
    }
  }

  async next(id: number): Promise<Sent> {
    const running = this.#running.get(id);
    if (running === undefined) throw new ReviewKdError("DISPOSED", `invalid generator ${id}: expected one that runs, received one that has ended.`);
    let open = false;
    try {
      const next = running.items.next();
      running.busy = next;
      const { done, value } = await next;
      open = done !== true;
      return this.#handles.encode({ done: done === true, value: value as unknown });
    } finally {
      this.#sendChanges();
      if (!open) this.#forget(id);
    }
  }

  async return(id: number): Promise<Sent> {
    await this.#running.get(id)?.items.return(undefined);
    this.#forget(id);
    return this.#handles.encode(null);
  }

  create(handle: number, kind: string, args: Sent): void {
    if (this.#handles.has(handle)) {
      this.#onInvalid(new ReviewKdError("INTERNAL", `invalid handle: expected a new one for a ${kind}, received ${handle}, which is in use.`));
      return;
    }
    try {
      const row = entryOf(this.#table.constructors, kind, "class");
      const create = entryOf(this.#implementation.constructors, kind, "class") as (...args: unknown[]) => object;
      this.#handles.holdAs(handle, create(...this.#arguments(kind, row, args)));
    } catch (error) {
      this.#handles.holdAs(handle, error as Error);
    }
  }

  abort(id: number): void {
    this.#controllers.get(id)?.abort();
  }

  release(handle: number, count: number | null): void {
    this.#handles.release(handle, count);
  }

  close(): void {
    this.#onClose();
  }

  #find(target: number | null, name: string): { row: Row; method: (...args: unknown[]) => unknown; receiver: object | undefined } {
    if (target === null) {
      const row = entryOf(this.#table.functions, name, "function");
      return { row, method: entryOf(this.#implementation.functions, name, "function") as () => unknown, receiver: undefined };
    }
    const { value, row: { methods } } = this.#handles.target(target);
    const row = entryOf(methods, name, `method of a ${kindOf(value)}`);
    return { row, method: value[name as keyof typeof value] as () => unknown, receiver: value };
  }

  #arguments(name: string, row: Row, sent: Sent, context?: CallContext): unknown[] {
    const given = decode(sent, ({ handle }) => this.#handles.get(handle));
    const args = parse(z.tuple(row.args as [z.ZodType]), given, `arguments of ${name}`) as unknown[];
    if (row.signal !== true || context === undefined) return args;
    const { id, signal, reports } = context;
    const onProgress = (value: unknown): void => { void this.#caller.progress.asEvent(id, this.#handles.encode(value)); };
    return [...args.slice(0, -1), { ...(args.at(-1) as object), signal, ...(reports ? { onProgress } : {}) }];
  }

  #sendChanges(): void {
    for (const { handle, property, value } of this.#handles.changes()) {
      void this.#caller.update.asEvent(handle, property, this.#handles.encode(value));
    }
  }

  #forget(id: number): void {
    this.#running.delete(id);
    this.#controllers.delete(id);
  }
}

/** Takes a generator to its end: one that was aborted saves its state on the way there. */
async function drain({ items, busy }: Running): Promise<void> {
  await busy.catch(() => undefined);
  try {
    while ((await items.next()).done !== true);
  } catch (error) {
    if (!isReviewKdError(error) || error.code !== "ABORTED") console.error(error);
  }
}
