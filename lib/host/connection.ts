// The caller's side of a host: calls that wait for their answers, and what becomes of them when the trainer ends.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { throwIfAborted } from "../api/abort.js";
import { ReviewKdError } from "../errors.js";
import { runFile } from "../runs/run-directory.js";
import { parse } from "../config/validation.js";
import { CALLS, PROTOCOL, ToCaller, unpackError, type CallName, type Progress, type RequestOf, type ResponseOf } from "./protocol.js";
import type { BrokenImage } from "../config/schemas/events.js";
import type { Ending, Transport } from "./transport.js";

/** How a host ended, and where its last training can go on. The cause of errors with the code `HOST_DIED`. */
export interface HostEnd {
  /** What killed the trainer; null where nothing did, or where nobody tells. */
  readonly signal: NodeJS.Signals | null;
  readonly exitCode: number | null;
  /** The newest checkpoint that it is known to have written; null: none. */
  readonly checkpoint: string | null;
  /** Whether it was closed, and did not die. */
  readonly closed: boolean;
}

interface Pending {
  readonly name: CallName;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((value: Progress) => void) | undefined;
}

/** What a call has beside its request. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((value: Progress) => void) | undefined;
  /** The signal counts for as long as a generator runs, and not only until it was made. */
  readonly keepSignal?: boolean | undefined;
}

/** A promise that is settled from elsewhere. */
interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

function deferred<Value>(): Deferred<Value> {
  let settle: Pick<Deferred<Value>, "resolve" | "reject"> | undefined;
  const promise = new Promise<Value>((resolve, reject) => { settle = { resolve, reject }; });
  if (settle === undefined) throw new ReviewKdError("INTERNAL", "expected a promise to call its executor at once");
  return { promise, ...settle };
}

/** One trainer, seen from its caller. */
export class Connection {
  readonly ready: Promise<number>;
  readonly ended: Promise<HostEnd>;
  readonly #pending = new Map<number, Pending>();
  readonly #brokenImages = new Map<number, BrokenImage[]>();
  /** Run directories of trainings that are under way, and the last one that saved. */
  readonly #runs = new Set<string>();
  #checkpoint: string | null = null;
  #nextCall = 1;
  #closing = false;
  #end: HostEnd | undefined;
  #fault: string | undefined;

  constructor(private readonly transport: Transport) {
    const opening = deferred<number>();
    const ending = deferred<HostEnd>();
    this.ready = opening.promise;
    this.ended = ending.promise;
    transport.onMessage((text) => { this.#take(text, opening); });
    transport.onEnd((how) => {
      const end = this.#endWith(how);
      opening.reject(this.#diedIn("its start"));
      ending.resolve(end);
    });
  }

  /** Broken images of a data set that the trainer told of. */
  brokenImagesOf(dataset: number): readonly BrokenImage[] {
    const known = this.#brokenImages.get(dataset) ?? [];
    this.#brokenImages.set(dataset, known);
    return known;
  }

  /**
   * Asks for something and waits for the answer.
   *
   * @throws ReviewKdError `HOST_DIED`, `DISPOSED` where the host was closed, `ABORTED`, and what the trainer threw.
   */
  async call<Name extends CallName>(name: Name, request: RequestOf<Name>, { signal, onProgress, keepSignal = false }: CallOptions = {}): Promise<ResponseOf<Name>> {
    if (signal !== undefined) throwIfAborted(signal, keepSignal ? "the training" : `the call ${name}`);
    this.#refuseAfterEnd(name);
    const id = this.#nextCall++;
    const abort = (): void => { if (this.#end === undefined) this.transport.post({ type: "abort", id }); };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const answer = new Promise<unknown>((resolve, reject) => { this.#pending.set(id, { name, resolve, reject, onProgress }); });
      this.#stayAlive();
      this.transport.post({ type: "call", id, name, request, reports: onProgress !== undefined });
      return parse(CALLS[name].response, await answer, `the trainer's answer to ${name}`) as ResponseOf<Name>;
    } finally {
      if (!keepSignal) signal?.removeEventListener("abort", abort);
    }
  }

  /** Lets the trainer forget a thing. */
  release(handle: number): void {
    if (this.#end === undefined) this.transport.post({ type: "release", handle });
  }

  /** A training in this directory is under way: where the trainer dies, what it saved there is told. */
  watchRun(directory: string): Disposable {
    const path = resolve(directory);
    this.#runs.add(path);
    return { [Symbol.dispose]: () => { if (this.#end === undefined) this.#runs.delete(path); } };
  }

  /** A checkpoint was written. */
  saved(path: string): void {
    this.#checkpoint = resolve(path);
  }

  /** Stops what runs, which saves, and ends the trainer. */
  async close(): Promise<HostEnd> {
    this.#closing = true;
    this.transport.keepAlive(true);
    if (this.#end === undefined) this.transport.post({ type: "close" });
    return this.ended;
  }

  kill(): void {
    this.transport.kill();
  }

  #take(text: unknown, opening: Deferred<number>): void {
    const { data: message, error } = ToCaller.safeParse(text);
    if (message === undefined) {
      // Who speaks another language cannot be relied on. The end that follows rejects all that waits.
      this.#fault = `it sent a message that is none: ${error.message}`;
      this.transport.kill();
      return;
    }
    switch (message.type) {
      case "ready":
        if (message.protocol === PROTOCOL) opening.resolve(message.pid);
        else opening.reject(new ReviewKdError("INTERNAL", `expected a trainer of this package's version, got one with protocol ${message.protocol} instead of ${PROTOCOL}`));
        break;
      case "broken-image":
        this.#brokenImages.set(message.dataset, [...this.brokenImagesOf(message.dataset), message.image]);
        break;
      case "progress":
        this.#pending.get(message.id)?.onProgress?.(message.value);
        break;
      case "result":
        this.#settle(message.id)?.resolve(message.value);
        break;
      case "error":
        this.#settle(message.id)?.reject(unpackError(message.error));
        break;
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    this.#stayAlive();
    return pending;
  }

  /** As without a host: a process stays alive for what it asked for, and for nothing else. */
  #stayAlive(): void {
    this.transport.keepAlive(this.#pending.size > 0 || this.#closing);
  }

  #endWith({ signal, exitCode, error }: Ending): HostEnd {
    this.#fault ??= error;
    for (const directory of this.#runs) {
      if (existsSync(runFile(directory, "last"))) this.#checkpoint = runFile(directory, "last");
    }
    this.#end = { signal, exitCode, checkpoint: this.#checkpoint, closed: this.#closing && signal === null && exitCode === 0 };
    for (const { name, reject } of this.#pending.values()) reject(this.#diedIn(name));
    this.#pending.clear();
    return this.#end;
  }

  #refuseAfterEnd(name: string): void {
    if (this.#end === undefined && !this.#closing) return;
    if (this.#closing) throw new ReviewKdError("DISPOSED", `expected a running host for ${name}, got one that was closed`);
    throw this.#diedIn(name);
  }

  #diedIn(what: string): ReviewKdError {
    const { signal = null, exitCode = null, checkpoint = null } = this.#end ?? {};
    const how = signal !== null ? `its end by ${signal}` : exitCode !== null ? `its end with exit code ${exitCode}` : "no process that starts";
    const saved = checkpoint === null
      ? "It had saved no checkpoint"
      : `Its last checkpoint is ${checkpoint}: start another host and go on from there (\`resume: true\`)`;
    return new ReviewKdError("HOST_DIED",
      `expected the trainer's process to answer for ${what}, got ${how}${this.#fault === undefined ? "" : ` (${this.#fault})`}. ${saved}.`, { cause: this.#end });
  }
}
