// The worker's side: calls the package's own API for its caller.
import type { BirpcReturn } from "birpc";
import { z } from "zod";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { HandleTable, type Instances } from "./handle-table.js";
import { connect, PROTOCOL, ToWorker, type CallerFunctions, type Channel, type WorkerFunctions } from "./protocol.js";
import type { Row, Table } from "./table.js";
import { composeOnce, decode, entryOf } from "./values.js";

type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/** The classes and functions that a {@link Table} describes. */
export interface Implementation {
  readonly classes: Readonly<Record<string, Instances>>;
  readonly constructors: Functions;
  readonly functions: Functions;
}

/** A call in addition to its arguments. */
interface CallContext {
  readonly id: number;
  readonly signal: AbortSignal;
  /** Names of the callbacks that the caller gave. */
  readonly callbacks: readonly string[];
}

/** A generator that has not ended. */
interface Running {
  readonly row: Row;
  readonly items: AsyncGenerator<unknown, unknown>;
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
  readonly #handles: HandleTable;
  readonly #controllers = new Map<number, AbortController>();
  readonly #running = new Map<number, Running>();
  readonly #caller: BirpcReturn<CallerFunctions, WorkerFunctions>;

  constructor(private readonly options: ServerOptions) {
    this.#handles = new HandleTable(options.table, options.implementation.classes);
    this.#caller = connect<CallerFunctions, WorkerFunctions>(this, options.channel, ToWorker, options.onInvalid);
    void this.#caller.ready.asEvent(PROTOCOL, process.pid);
  }

  /** Stops all calls, and waits until everything that saves its state when stopped has done so. */
  async end(): Promise<void> {
    for (const controller of this.#controllers.values()) controller.abort();
    await Promise.all([...this.#running.values()].filter(({ row }) => row.signal).map(drain));
  }

  async call(id: number, target: number | null, name: string, args: unknown, callbacks: string[]): Promise<unknown> {
    const { table: { functions, classes }, implementation } = this.options;
    const { kind, value } = target === null ? { kind: null, value: implementation.functions }
      : this.#handles.get(target);
    const row = kind === null ? entryOf(functions, name, "function")
      : entryOf(classes[kind]?.methods ?? {}, name, `method of a ${kind}`);
    const controller = new AbortController();
    this.#controllers.set(id, controller);
    try {
      const given = this.#arguments(name, row, args, { id, signal: controller.signal, callbacks });
      const result = (value as Record<string, (...args: unknown[]) => unknown>)[name]?.(...given);
      if (row.item === undefined) return this.#handles.encode(await result, row.transfer !== true);
      this.#running.set(id, { row, items: result as Running["items"] });
      return null;
    } finally {
      this.#reportChanges();
      if (!this.#running.has(id)) this.#controllers.delete(id);
    }
  }

  async next(id: number): Promise<unknown> {
    const running = this.#running.get(id);
    if (running === undefined)
      throw new ReviewKdError("DISPOSED",
        `invalid generator ${id}: expected one that runs, received one that has ended.`);
    let open = false;
    try {
      const { done, value } = await running.items.next();
      open = done !== true;
      return this.#handles.encode({ done: !open, value });
    } finally {
      this.#reportChanges();
      if (!open) this.#forget(id);
    }
  }

  async return(id: number): Promise<unknown> {
    await this.#running.get(id)?.items.return(undefined);
    this.#forget(id);
    return null;
  }

  create(handle: number, kind: string, args: unknown): void {
    const { table, implementation } = this.options;
    try {
      const given = this.#arguments(kind, entryOf(table.constructors, kind, "class"), args);
      this.#handles.holdAs(handle, kind,
        (implementation.constructors[kind] as (...args: unknown[]) => object)(...given));
    } catch (error) {
      this.#handles.holdAs(handle, kind, error as Error);
    }
  }

  abort(id: number): void {
    this.#controllers.get(id)?.abort();
  }

  release(handle: number, count: number | null): void {
    this.#handles.release(handle, count);
  }

  close(): void {
    this.options.onClose();
  }

  #arguments(name: string, row: Row, sent: unknown, context?: CallContext): unknown[] {
    const schema = composeOnce(row.args, () => z.tuple(row.args as [z.ZodType]));
    const args = decode(schema, sent, `arguments of ${name}`,
      ({ handle, kind }) => this.#handles.get(handle, kind).value) as unknown[];
    if (row.signal !== true || context === undefined) return args;
    const { id, signal } = context;
    const callbacks = context.callbacks.map((name) =>
      [name, (value: unknown): void => {
        void this.#caller.callback.asEvent(id, name, this.#handles.encode(value));
      }] as const
    );
    return [...args.slice(0, -1), { ...(args.at(-1) as object), signal, ...Object.fromEntries(callbacks) }];
  }

  #reportChanges(): void {
    for (const { handle, property, value } of this.#handles.changes()) {
      void this.#caller.update.asEvent(handle, property, this.#handles.encode(value));
    }
  }

  #forget(id: number): void {
    this.#running.delete(id);
    this.#controllers.delete(id);
  }
}

/** Runs a generator to its end: an aborted one saves its state before it ends. */
async function drain({ items }: Running): Promise<void> {
  try {
    while ((await items.next()).done !== true);
  } catch (error) {
    if (!isReviewKdError(error) || error.code !== "ABORTED") console.error(error);
  }
}
