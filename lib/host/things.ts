// What a trainer holds for its caller, by handle.
import { ReviewKdError } from "../errors.js";
import { Dataset, type DatasetSplit } from "../api/dataset.js";
import { Distiller } from "../api/distiller.js";
import { Model } from "../api/model.js";
import type { BrokenImage } from "../config/schemas/events.js";
import { Session } from "../api/session.js";
import { Tensor, type StateDict } from "../api/tensor.js";
import type { Split, TensorFacts } from "./protocol.js";

/** Anything that can be held. */
interface Held {
  readonly value: unknown;
  readonly dispose: () => void;
}

/** The trainer's side of every handle. */
export class Things {
  readonly #held = new Map<number, Held>();
  readonly #brokenTold = new Map<number, number>();
  #next = 1;

  hold(value: object, dispose: () => void = () => undefined): number {
    const handle = this.#next++;
    this.#held.set(handle, { value, dispose });
    return handle;
  }

  /** Under a handle that the caller chose. What could not be made is held too: its error is what each use of it gives. */
  holdAs(handle: number, value: Tensor | ReviewKdError): void {
    if (this.#held.has(handle)) throw new ReviewKdError("INTERNAL", `expected a new handle for a tensor, got ${handle} again`);
    this.#held.set(handle, { value, dispose: () => { if (value instanceof Tensor) value.dispose(); } });
  }

  holdTensor(tensor: Tensor): TensorFacts {
    return { handle: this.hold(tensor, () => { tensor.dispose(); }), shape: [...tensor.shape], dtype: tensor.dtype };
  }

  holdState(state: StateDict): [string, TensorFacts][] {
    return Object.entries(state).map(([name, tensor]) => [name, this.holdTensor(tensor)]);
  }

  tensor(handle: number): Tensor {
    return this.#get(handle, "Tensor", (value) => value instanceof Tensor);
  }

  model(handle: number): Model {
    return this.#get(handle, "Model", (value) => value instanceof Model);
  }

  distiller(handle: number): Distiller {
    return this.#get(handle, "Distiller", (value) => value instanceof Distiller);
  }

  session(handle: number): Session {
    return this.#get(handle, "Session", (value) => value instanceof Session);
  }

  dataset(handle: number): Dataset {
    return this.#get(handle, "Dataset", (value) => value instanceof Dataset);
  }

  split({ dataset, name }: Split): DatasetSplit {
    return this.dataset(dataset)[name];
  }

  generator<Value, Result>(handle: number): AsyncGenerator<Value, Result, void> {
    const value = this.#find(handle, "generator");
    if (typeof value !== "object" || value === null || !("next" in value)) throw unexpected(handle, "a generator");
    return value as AsyncGenerator<Value, Result, void>;
  }

  /** What has a state dict. */
  stateOwner(handle: number): Model | Distiller {
    const value = this.#find(handle, "Model or Distiller");
    if (value instanceof Model || value instanceof Distiller) return value;
    throw unexpected(handle, "a Model or a Distiller");
  }

  /** What can evaluate. */
  evaluator(handle: number): Model | Session {
    const value = this.#find(handle, "Model or Session");
    if (value instanceof Model || value instanceof Session) return value;
    throw unexpected(handle, "a Model or a Session");
  }

  /** Broken images of all data sets that were not told of yet. */
  *newBrokenImages(): Generator<{ readonly dataset: number; readonly image: BrokenImage }, void, void> {
    for (const [dataset, { value }] of this.#held) {
      if (!(value instanceof Dataset)) continue;
      const told = this.#brokenTold.get(dataset) ?? 0;
      for (const image of value.brokenImages.slice(told)) yield { dataset, image };
      this.#brokenTold.set(dataset, value.brokenImages.length);
    }
  }

  release(handle: number): void {
    const held = this.#held.get(handle);
    this.#held.delete(handle);
    this.#brokenTold.delete(handle);
    held?.dispose();
  }

  #get<Kind>(handle: number, kind: string, is: (value: unknown) => value is Kind): Kind {
    const value = this.#find(handle, kind);
    if (is(value)) return value;
    throw unexpected(handle, `a ${kind}`);
  }

  #find(handle: number, kind: string): unknown {
    const held = this.#held.get(handle);
    // The caller releases a handle when its object is disposed of, and uses none of another trainer's.
    if (held === undefined) throw new ReviewKdError("DISPOSED", `expected a usable ${kind}, got one that was disposed`);
    if (held.value instanceof ReviewKdError) throw held.value;
    return held.value;
  }
}

function unexpected(handle: number, kind: string): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT", `expected ${kind} for handle ${handle}, got something else`);
}
