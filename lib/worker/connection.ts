// The caller's side of a worker: calls that wait for their answers, and what becomes of them when the worker exits.
import type { BirpcReturn } from "birpc";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { throwIfAborted } from "../api/abort.js";
import { assertObject } from "../config/validation.js";
import { atCall, ReviewKdError } from "../errors.js";
import { runFile } from "../runs/run-directory.js";
import { connect, PROTOCOL, ToCaller, type CallerFunctions, type WorkerFunctions } from "./protocol.js";
import { referTo, RemoteObject, remoteClasses } from "./remote-object.js";
import type { Row, Table } from "./table.js";
import type { ExitStatus, Transport } from "./transport.js";
import type { WorkerExit } from "./worker-exit.js";
import { composeOnce, decode, encode, entryOf, type Reference } from "./values.js";

type Callback = (value: unknown) => void;

/** A call that is under way. Its arguments stay reachable, or the worker would release them. */
interface Call {
  readonly id: number;
  readonly name: string;
  readonly row: Row;
  readonly target: RemoteObject | null;
  readonly args: readonly unknown[];
  /** As the caller gave them, of a call that takes a signal and callbacks in them. */
  readonly options: unknown;
  readonly signal: AbortSignal | undefined;
  readonly callbacks: Readonly<Record<string, Callback>>;
  readonly abort: () => void;
  /** The error that a callback threw. */
  failure?: { readonly error: unknown };
}

/** One worker, seen by its caller. */
export class Connection {
  /** The worker's process id. */
  readonly ready: Promise<number>;
  /** Resolves, and never rejects, when the worker has exited. */
  readonly exited: Promise<WorkerExit>;
  readonly #worker: BirpcReturn<WorkerFunctions, CallerFunctions>;
  readonly #classes: ReturnType<typeof remoteClasses>;
  readonly #objects = new Map<number, WeakRef<RemoteObject>>();
  readonly #calls = new Map<number, Call>();
  /** Rejects what waits when the worker exits; callers get an error of their own instead. */
  readonly #closed = new Error("the worker has exited");
  /** Directories of runs that are under way, and the last checkpoint that was reported. */
  readonly #runs = new Set<string>();
  #checkpoint: string | null = null;
  #nextCall = 1;
  #nextHandle = -1;
  #waiting = 0;
  #closing = false;
  #exit: WorkerExit | undefined;
  #fault: string | undefined;

  constructor(private readonly transport: Transport, private readonly table: Table) {
    this.#classes = remoteClasses(table);
    this.exited = new Promise((resolve) => {
      transport.onExit((status) => {
        resolve(this.#onExit(status));
      });
    });
    let ready: CallerFunctions["ready"] = () => undefined;
    this.ready = new Promise((resolve, reject) => {
      ready = (protocol, pid) => {
        if (protocol === PROTOCOL) resolve(pid);
        else reject(otherVersion(protocol));
      };
      void this.exited.then(() => {
        reject(this.#exitedDuring("its start"));
      });
    });
    this.ready.catch(() => undefined);
    const functions = { ready, callback: this.#callback.bind(this), update: this.#update.bind(this) };
    this.#worker = connect<WorkerFunctions, CallerFunctions>(functions, transport, ToCaller, (error) => {
      // A peer that sends invalid messages cannot be relied on. Its exit rejects all calls that wait.
      this.#fault = `it sent an invalid message: ${error.message}`;
      transport.kill();
    });
  }

  /** The functions of the table. */
  functions(): Readonly<Record<string, (...args: unknown[]) => unknown>> {
    const bound = ([name, row]: [string, Row]) => [name, (...args: unknown[]) => this.invoke(null, name, row, args)];
    return Object.fromEntries(Object.entries(this.table.functions).map(bound)) as ReturnType<Connection["functions"]>;
  }

  /** Calls a function of the table, or a method of an object. @throws `WORKER_EXITED`, `DISPOSED`, `ABORTED` */
  invoke(target: RemoteObject | null, name: string, row: Row, given: readonly unknown[]): unknown {
    const call = this.#prepare(target, name, row, given);
    return row.item === undefined ? this.#call(call) : this.#iterate(call, row.item);
  }

  /** Creates an object while nothing waits. If the worker refuses, each use of the object fails with its error. */
  create(kind: string, state: Record<string, unknown>, args: readonly unknown[]): RemoteObject {
    const handle = this.#nextHandle--;
    if (this.#exit === undefined) void this.#worker.create.asEvent(handle, kind, this.#encode(args));
    return this.#keep({ kind, handle, state });
  }

  /** Lets the worker forget an object that was received `count` times; null: disposes of it. */
  release(handle: number, count: number | null): void {
    if (count === null || this.#objects.get(handle)?.deref() === undefined) this.#objects.delete(handle);
    if (this.#exit === undefined) void this.#worker.release.asEvent(handle, count);
  }

  /** Stops what runs, which saves, and ends the worker. */
  async close(): Promise<WorkerExit> {
    this.#closing = true;
    this.transport.keepAlive(true);
    if (this.#exit === undefined) void this.#worker.close.asEvent();
    return this.exited;
  }

  kill(): void {
    this.transport.kill();
  }

  #prepare(target: RemoteObject | null, name: string, row: Row, given: readonly unknown[]): Call {
    const id = this.#nextCall++;
    const abort = (): void => {
      if (this.#exit === undefined) void this.#worker.abort.asEvent(id);
    };
    const args = row.args.map((_, index) => given[index]);
    const call = { id, name, row, target, args, options: undefined, signal: undefined, callbacks: {}, abort };
    if (row.signal !== true) return call;
    const last = args.pop();
    const { signal, ...options } = (last ?? {}) as { readonly signal?: AbortSignal };
    const callbacks: Record<string, Callback> = {};
    const others: Record<string, unknown> = {};
    for (const [option, value] of Object.entries(options)) {
      const isCallback = Object.hasOwn(row.callbacks ?? {}, option) && typeof value === "function";
      if (isCallback) callbacks[option] = value as Callback;
      else others[option] = value;
    }
    return { ...call, args: [...args, others], options: last, signal, callbacks };
  }

  async #start(call: Call): Promise<unknown> {
    const { id, name, target, args, options, signal, callbacks } = call;
    if (options !== undefined) assertObject(options, `options of ${name}`);
    throwIfAborted(signal, name);
    if (this.#closing) {
      throw new ReviewKdError("DISPOSED",
        `invalid worker: expected an open one for ${name}, received a closed one. Start another.`);
    }
    const [handle, sent] = [target === null ? null : referTo(target).handle, this.#encode(args)];
    this.#calls.set(id, call);
    signal?.addEventListener("abort", call.abort, { once: true });
    return this.#answer(name, () => this.#worker.call(id, handle, name, sent, Object.keys(callbacks)));
  }

  #end({ id, signal, abort }: Call): void {
    this.#calls.delete(id);
    signal?.removeEventListener("abort", abort);
  }

  async #call(call: Call): Promise<unknown> {
    const { name, row, args } = call;
    try {
      const sent = await this.#start(call).finally(() => {
        if (call.failure !== undefined) throw call.failure.error;
      });
      const value = this.#decode(row.result, sent, `answer to ${name}`);
      this.#saved(row.checkpoint?.(args, value));
      return value;
    } finally {
      this.#end(call);
    }
  }

  /** Each item is requested, as in a single process, so that nothing accumulates. */
  async *#iterate(call: Call, item: z.ZodType): AsyncGenerator<unknown, unknown, void> {
    const { id, name, row, args } = call;
    const step = composeOnce(row, () =>
      z.discriminatedUnion("done", [
        z.strictObject({ done: z.literal(false), value: item }),
        z.strictObject({ done: z.literal(true), value: row.result }),
      ]));
    const directory = row.runDirectory?.(args);
    if (directory !== undefined) this.#runs.add(resolve(directory));
    let open = false;
    try {
      await this.#start(call);
      for (;;) {
        open = false;
        const sent = await this.#answer(name, () => this.#worker.next(id));
        open = true;
        const { done, value } = this.#decode(step, sent, `answer of ${name}`) as IteratorResult<unknown, unknown>;
        open = done !== true;
        if (!open) return value;
        this.#saved(row.checkpoint?.(args, value));
        yield value;
      }
    } finally {
      // Leaving the loop early stops the generator; one that failed has ended already.
      if (open) await this.#answer(name, () => this.#worker.return(id));
      if (directory !== undefined && this.#exit === undefined) this.#runs.delete(resolve(directory));
      this.#end(call);
    }
  }

  /** Waits for an answer. A process stays alive for what it requested, and for nothing else. */
  async #answer(name: string, request: () => Promise<unknown>): Promise<unknown> {
    if (this.#exit !== undefined) throw this.#exitedDuring(name);
    this.#await(1);
    try {
      return await atCall(request());
    } catch (error) {
      throw error === this.#closed ? this.#exitedDuring(name) : error;
    } finally {
      this.#await(-1);
    }
  }

  #await(more: number): void {
    this.#waiting += more;
    this.transport.keepAlive(this.#waiting > 0 || this.#closing);
  }

  #encode(args: readonly unknown[]): unknown {
    return encode(args, (object) => (object instanceof RemoteObject ? referTo(object) : undefined),
      this.transport.transfers);
  }

  #decode(schema: z.ZodType, sent: unknown, what: string): unknown {
    return decode(schema, sent, what, ({ kind, handle, state }) => {
      const known = this.#objects.get(handle)?.deref();
      if (known !== undefined) {
        ++RemoteObject.internalsOf(known).receipt.count;
        return known;
      }
      const { properties } = entryOf(this.table.classes, kind, "class");
      const schema = composeOnce(properties, () => z.strictObject(properties));
      return this.#keep({ kind, handle, state: this.#decode(schema, state, kind) });
    });
  }

  #keep(reference: Reference): RemoteObject {
    const object = new (entryOf(this.#classes, reference.kind, "class"))(this, reference);
    this.#objects.set(reference.handle, new WeakRef(object));
    return object;
  }

  #callback(id: number, name: string, sent: unknown): void {
    const call = this.#calls.get(id);
    const [callback, schema] = [call?.callbacks[name], call?.row.callbacks?.[name]];
    if (call === undefined || callback === undefined || schema === undefined || call.failure !== undefined) return;
    try {
      callback(this.#decode(schema, sent, `${name} of ${call.name}`));
    } catch (error) {
      // As in a single process, this stops the call, which rejects with the error.
      call.failure = { error };
      call.abort();
    }
  }

  #update(handle: number, property: string, sent: unknown): void {
    const object = this.#objects.get(handle)?.deref();
    if (object === undefined) return;
    const { kind, state } = RemoteObject.internalsOf(object);
    const schema = entryOf(entryOf(this.table.classes, kind, "class").properties, property, "property");
    const [before, value] = [state[property], this.#decode(schema, sent, property)];
    state[property] = Array.isArray(before) ? [...before as unknown[], ...value as unknown[]] : value;
  }

  #saved(path: string | null | undefined): void {
    if (typeof path === "string") this.#checkpoint = resolve(path);
  }

  #onExit({ signal, exitCode, error }: ExitStatus): WorkerExit {
    this.#fault ??= error;
    for (const directory of this.#runs) {
      if (existsSync(runFile(directory, "last"))) this.#checkpoint = runFile(directory, "last");
    }
    this.#exit = { signal, exitCode, checkpoint: this.#checkpoint,
      closed: this.#closing && signal === null && exitCode === 0 };
    this.#worker.$close(this.#closed);
    return this.#exit;
  }

  #exitedDuring(name: string): ReviewKdError {
    const { signal = null, exitCode = null, checkpoint = null } = this.#exit ?? {};
    const ended = exitCode === null ? "it did not start" : `it ended with exit code ${exitCode}`;
    const fault = this.#fault === undefined ? "" : ` (${this.#fault})`;
    const saved = checkpoint === null
      ? "It had saved no checkpoint"
      : `Its last checkpoint is ${checkpoint}: start another worker and resume from there (\`resume: true\`)`;
    return new ReviewKdError("WORKER_EXITED",
      `the worker exited during ${name}: ${signal === null ? ended : `it was ended by ${signal}`}${fault}. ${saved}.`, {
      cause: this.#exit,
    });
  }
}

function otherVersion(protocol: number): ReviewKdError {
  return new ReviewKdError("INTERNAL",
    `invalid worker: expected protocol ${PROTOCOL}, received protocol ${protocol}. Load reviewkd and its worker from one installation.`);
}
