// The caller's side of data sets.
import type { Batch, Dataset, DatasetSplit } from "../api/dataset.js";
import type { EvaluateOptions } from "../api/model.js";
import type { BatchOptionsInput, Normalization } from "../config/schemas/data.js";
import type { BrokenImage, Evaluation } from "../config/schemas/events.js";
import type { Connection } from "./connection.js";
import type { DatasetFacts, Split, SplitFacts } from "./protocol.js";
import { HostTensor } from "./remote.js";
import { RemoteThing, type Api, type Remote } from "./remote-thing.js";

/** One half of a {@link HostDataset}. */
export class HostDatasetSplit implements Remote<DatasetSplit> {
  readonly size: number;
  readonly imageShape: readonly [3, number, number];
  readonly #data: HostDataset;

  /** @internal */
  constructor(data: HostDataset, readonly name: "train" | "test", readonly classNames: readonly string[], facts: SplitFacts) {
    this.#data = data;
    this.size = facts.size;
    this.imageShape = facts.imageShape;
  }

  /** @internal */
  get address(): Split {
    return { dataset: this.#data.handle, name: this.name };
  }

  /** As `DatasetSplit.batches`. The batches stay in the trainer's memory: to train on them, nothing travels. */
  async *batches(options: BatchOptionsInput = {}): AsyncGenerator<Api<Batch>, undefined, void> {
    const { connection } = this.#data;
    const generator = await connection.call("batches", { split: this.address, options });
    let done = false;
    try {
      for (;;) {
        const batch = await connection.call("batchesNext", { generator });
        done = batch === null;
        if (batch === null) return undefined;
        yield { images: new HostTensor(connection, batch.images), labels: new HostTensor(connection, batch.labels) };
      }
    } finally {
      if (!done) await connection.call("generatorReturn", { generator });
    }
  }
}

/** {@link Dataset} in the trainer's memory. */
export class HostDataset extends RemoteThing implements Remote<Dataset> {
  readonly kind: string;
  readonly numClasses: number;
  readonly classNames: readonly string[];
  readonly normalization: Normalization;
  readonly train: HostDatasetSplit;
  readonly test: HostDatasetSplit;
  readonly #facts: DatasetFacts;

  /** @internal */
  constructor(connection: Connection, facts: DatasetFacts) {
    super(connection, facts.handle, "Dataset");
    this.#facts = facts;
    this.kind = facts.kind;
    this.numClasses = facts.numClasses;
    this.classNames = facts.classNames;
    this.normalization = facts.normalization;
    this.train = new HostDatasetSplit(this, "train", facts.classNames, facts.train);
    this.test = new HostDatasetSplit(this, "test", facts.classNames, facts.test);
  }

  get brokenImages(): readonly BrokenImage[] {
    return this.connection.brokenImagesOf(this.#facts.handle);
  }
}

/** @internal What models and sessions do alike. */
export async function evaluateRemotely(owner: RemoteThing, data: HostDatasetSplit, { signal, onProgress, ...options }: EvaluateOptions): Promise<Evaluation> {
  const report = onProgress === undefined ? undefined : (value: unknown): void => { if (typeof value === "number") onProgress(value); };
  return owner.connection.call("evaluate", { owner: owner.handle, split: data.address, options }, { signal, onProgress: report });
}
