// The caller's side of what the trainer holds, other than trainings and data.
import type { Distiller, DistillerOutput, DistillerParts } from "../api/distiller.js";
import type { DType, ModelDType, Shape } from "../config/schemas/common.js";
import type { Evaluation } from "../config/schemas/events.js";
import type { Matching, Method } from "../config/schemas/method.js";
import type { FeatureSpec } from "../config/schemas/model.js";
import type { EvaluateOptions, Model, ModelOutput } from "../api/model.js";
import type { LoadOptionsInput, LoadReport } from "../config/schemas/weights.js";
import { ReviewKdError } from "../errors.js";
import { tensorParts, type Tensor, type TensorInput } from "../api/tensor.js";
import type { TypedArray } from "../native.js";
import { RemoteThing, type Api, type Remote } from "./remote-thing.js";
import type { Connection } from "./connection.js";
import type { DistillerFacts, ModelFacts, ResponseOf, TensorFacts } from "./protocol.js";
import { evaluateRemotely, type HostDatasetSplit } from "./remote-data.js";

/** A network's state by name. */
export type HostStateDict = Record<string, HostTensor>;

/** {@link Tensor} in the trainer's memory; its elements travel when they are asked for. */
export class HostTensor extends RemoteThing implements Remote<Tensor> {
  static #next = -1;
  readonly shape: Shape;
  readonly dtype: DType;

  /** @internal */
  constructor(connection: Connection, facts: TensorFacts) {
    super(connection, facts.handle, "Tensor");
    this.shape = Object.freeze([...facts.shape]);
    this.dtype = facts.dtype;
  }

  /** @internal Named here and made there, so that nobody waits. What the trainer refuses is the error of each use. */
  static make(connection: Connection, values: TensorInput, shape: Shape, options: { dtype?: DType } = {}): HostTensor {
    const parts = tensorParts(values, shape, options);
    const count = parts.shape.reduce((product, length) => product * length, 1);
    if (parts.values.length !== count) {
      throw new ReviewKdError("SHAPE_MISMATCH", `expected ${count} values for shape [${parts.shape.join(", ")}], got ${parts.values.length}`);
    }
    const handle = HostTensor.#next--;
    connection.call("createTensor", { handle, values: sendable(parts.values), shape: [...parts.shape], dtype: parts.dtype }).catch(() => undefined);
    return new HostTensor(connection, { handle, shape: parts.shape, dtype: parts.dtype });
  }

  /** As {@link Tensor.toTypedArray}, from the trainer's memory. */
  async toTypedArray(): Promise<TypedArray> {
    return this.connection.call("toTypedArray", { tensor: this.handle }) as Promise<TypedArray>;
  }

  /** As {@link Tensor.item}. */
  async item(): Promise<number> {
    const values = await this.toTypedArray();
    const value = values[0];
    if (values.length !== 1 || value === undefined) {
      throw new ReviewKdError("SHAPE_MISMATCH", `expected a tensor with one element for item(), got shape [${this.shape.join(", ")}]`);
    }
    return Number(value);
  }
}

/** Memory that several threads share cannot be sent to another process: it is copied. */
function sendable<Values extends { readonly buffer: ArrayBufferLike; slice(): Values }>(values: Values): never {
  // Of a view the whole buffer behind it would travel.
  return (values.buffer instanceof ArrayBuffer ? values : values.slice()) as never;
}

/** {@link Model} in the trainer's memory. */
export class HostModel extends RemoteThing implements Remote<Model> {
  readonly name: string;
  readonly numClasses: number;
  readonly dtype: ModelDType;
  readonly #parameters: number;
  #device: "cpu" | "cuda";

  /** @internal */
  constructor(connection: Connection, facts: ModelFacts) {
    super(connection, facts.handle, "Model");
    this.name = facts.name;
    this.numClasses = facts.numClasses;
    this.dtype = facts.dtype;
    this.#parameters = facts.parameters;
    this.#device = facts.device;
  }

  get device(): "cpu" | "cuda" {
    return this.#device;
  }

  /** @internal A session moves networks to where it computes. */
  movedTo(device: "cpu" | "cuda"): void {
    this.#device = device;
  }

  parameterCount(): number {
    return this.#parameters;
  }

  async featureSpecs(height: number, width: number): Promise<FeatureSpec[]> {
    return this.connection.call("featureSpecs", { model: this.handle, height, width });
  }

  async forward(images: HostTensor, options: Parameters<Model["forward"]>[1] = {}): Promise<Api<ModelOutput>> {
    const { logits, features } = await this.connection.call("modelForward", { model: this.handle, images: images.handle, options });
    return {
      logits: new HostTensor(this.connection, logits),
      features: features.map(({ name, before, after }) => ({ name, before: new HostTensor(this.connection, before), after: new HostTensor(this.connection, after) })),
    };
  }

  async stateDict(): Promise<HostStateDict> {
    return toRemoteState(this.connection, await this.connection.call("stateDict", { owner: this.handle }));
  }

  async loadStateDict(state: Readonly<HostStateDict>, options: { strict?: boolean } = {}): Promise<LoadReport> {
    return this.connection.call("loadStateDict", { owner: this.handle, state: toHandles(state), ...options });
  }

  async save(path: string, options: { metadata?: Readonly<Record<string, string>> } = {}): Promise<void> {
    await this.connection.call("modelSave", { model: this.handle, path, metadata: options.metadata });
  }

  async load(path: string, options: LoadOptionsInput = {}): Promise<LoadReport> {
    return this.connection.call("modelLoad", { model: this.handle, path, options });
  }

  evaluate(data: HostDatasetSplit, options: EvaluateOptions = {}): Promise<Evaluation> {
    return evaluateRemotely(this, data, options);
  }
}

/** {@link Distiller} in the trainer's memory. */
export class HostDistiller extends RemoteThing implements Remote<Distiller> {
  readonly matching: Matching;
  readonly method: Method;
  readonly #trainingOnlyParameters: number;

  /** @internal */
  constructor(connection: Connection, facts: DistillerFacts, readonly teacher: HostModel, readonly student: HostModel) {
    super(connection, facts.handle, "Distiller");
    this.matching = facts.matching;
    this.method = facts.method;
    this.#trainingOnlyParameters = facts.trainingOnlyParameters;
  }

  trainingOnlyParameterCount(): number {
    return this.#trainingOnlyParameters;
  }

  async forward(images: HostTensor, options: { readonly labels?: HostTensor | undefined } = {}): Promise<Api<DistillerOutput>> {
    const output = await this.connection.call("distillerForward", { distiller: this.handle, images: images.handle, labels: options.labels?.handle });
    const tensor = (facts: TensorFacts): HostTensor => new HostTensor(this.connection, facts);
    return {
      ...output,
      studentLogits: tensor(output.studentLogits), teacherLogits: tensor(output.teacherLogits),
      reviewOutputs: output.reviewOutputs.map(tensor), teacherFeatures: output.teacherFeatures.map(tensor),
    };
  }

  async stateDict(): Promise<HostStateDict> {
    return toRemoteState(this.connection, await this.connection.call("stateDict", { owner: this.handle }));
  }

  async loadStateDict(state: Readonly<HostStateDict>, options: { strict?: boolean } = {}): Promise<LoadReport> {
    return this.connection.call("loadStateDict", { owner: this.handle, state: toHandles(state), ...options });
  }
}

/** What a distiller of a host is made of. */
export type HostDistillerParts = Omit<DistillerParts, "teacher" | "student"> & { readonly teacher: HostModel; readonly student: HostModel };

/** @internal */
export function toRemoteState(connection: Connection, entries: ResponseOf<"stateDict">): HostStateDict {
  return Object.fromEntries(entries.map(([name, facts]) => [name, new HostTensor(connection, facts)]));
}

function toHandles(state: Readonly<HostStateDict>): [string, number][] {
  return Object.entries(state).map(([name, tensor]) => [name, tensor.handle]);
}
