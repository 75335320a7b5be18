import type { BatchPlan, PassPlan, PassWork, SplitImages } from "../api/split-images.js";
import type { NativeBatch, NativeBatchReader, NativeDataset } from "../native.js";

export class StoredImages implements SplitImages {
  readonly size: number;
  readonly height: number;
  readonly width: number;

  constructor(private readonly native: NativeDataset, private readonly name: "train" | "test") {
    ({ size: this.size, height: this.height, width: this.width } = native.describe()[name]);
  }

  async pass<Result>(_plan: PassPlan, work: PassWork<Result>): Promise<Result> {
    return work(this.native, () => undefined);
  }

  async *batches(plan: BatchPlan): AsyncGenerator<NativeBatch, void, void> {
    const reader = this.native.batches(this.name, plan);
    try {
      yield* readAll(reader);
    } finally {
      reader.dispose();
    }
  }
}

export async function* readAll(reader: NativeBatchReader): AsyncGenerator<NativeBatch, void, void> {
  for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) yield batch;
}
