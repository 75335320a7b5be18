import type { BatchPlan, PassPlan, PassWork, SplitImages } from "../api/split-images.js";
import type { AnyNativeBatch, NativeBatchReader, NativeDataset } from "../native-types.js";

export class StoredImages implements SplitImages {
  readonly content = "labels";
  readonly size: number;
  readonly height: number;
  readonly width: number;

  constructor(private readonly native: NativeDataset, private readonly name: "train" | "test") {
    ({ size: this.size, height: this.height, width: this.width } = native.describe()[name]);
  }

  fingerprint(): Promise<string> {
    return this.native.checksum(this.name);
  }

  async pass<Result>(_plan: PassPlan, work: PassWork<Result>): Promise<Result> {
    return work(this.native, () => undefined);
  }

  async *batches(plan: BatchPlan): AsyncGenerator<AnyNativeBatch, void, void> {
    const reader = this.native.batches(this.name, plan);
    try {
      yield* readAll(reader);
    } finally {
      reader.dispose();
    }
  }
}

export async function* readAll(reader: NativeBatchReader): AsyncGenerator<AnyNativeBatch, void, void> {
  for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) yield batch;
}
