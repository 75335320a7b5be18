// What all things of a trainer have in common on their caller's side, and the types that keep them like those of one process.
import type { Dataset, DatasetSplit } from "../api/dataset.js";
import type { Distiller } from "../api/distiller.js";
import { ReviewKdError } from "../errors.js";
import type { Model } from "../api/model.js";
import type { Session } from "../api/session.js";
import type { Tensor } from "../api/tensor.js";
import type { Connection } from "./connection.js";
import type { HostDistiller, HostModel, HostTensor } from "./remote.js";
import type { HostDataset, HostDatasetSplit } from "./remote-data.js";
import type { HostSession } from "./remote-session.js";

/** A value of the package's API as it is with a host. */
export type Api<Value> =
  Value extends Tensor ? HostTensor
    : Value extends Model ? HostModel
      : Value extends Distiller ? HostDistiller
        : Value extends Session ? HostSession
          : Value extends DatasetSplit ? HostDatasetSplit
            : Value extends Dataset ? HostDataset
              : Value extends AbortSignal | ArrayBufferView | ((...parameters: never[]) => void) | string | number | boolean | null | undefined ? Value
                : { [Key in keyof Value]: Api<Value[Key]> };

/** What is asked of another process is a promise, whether or not it was one. */
type Answer<Value> =
  [Value] extends [Promise<infer Result>] ? Promise<Api<Result>>
    : [Value] extends [AsyncGenerator<infer Item, infer Result, infer Next>] ? AsyncGenerator<Api<Item>, Api<Result>, Next>
      : Value | Promise<Api<Value>>;

/** A class of the package's API as it is with a host: the same members, under the same names, with the same parameters. */
export type Remote<Class> = {
  [Key in Exclude<keyof Class, "native" | "images" | "origin">]:
  Class[Key] extends (...parameters: infer Parameters) => infer Result
    ? (...parameters: { [Index in keyof Parameters]: Api<Parameters[Index]> }) => Answer<Result>
    : Api<Class[Key]>;
};

/** Frees what nobody holds any more on the caller's side, as without a host. */
const unheld = new FinalizationRegistry<() => void>((release) => { release(); });

/** A thing in the trainer's memory. */
export abstract class RemoteThing {
  readonly #handle: number;
  readonly #kind: string;
  #disposed = false;

  /** @internal */
  constructor(/** @internal */ readonly connection: Connection, handle: number, kind: string) {
    this.#handle = handle;
    this.#kind = kind;
    unheld.register(this, () => { connection.release(handle); }, this);
  }

  /** @internal */
  get handle(): number {
    if (this.#disposed) throw new ReviewKdError("DISPOSED", `expected a usable ${this.#kind}, got one that was disposed`);
    return this.#handle;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    unheld.unregister(this);
    this.connection.release(this.#handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
