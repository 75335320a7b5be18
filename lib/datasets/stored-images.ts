import type { NativeDataset } from "../native.js";
import type { NativeBatch, PassPlan, PassWork, SplitImages } from "../api/split-images.js";

/** A split stored in native memory. */
export class StoredImages implements SplitImages {
  readonly size: number;
  readonly height: number;
  readonly width: number;

  constructor(private readonly native: NativeDataset, private readonly name: "train" | "test") {
    const { size, height, width } = native.describe()[name];
    this.size = size;
    this.height = height;
    this.width = width;
  }

  async pass<Result>(_plan: PassPlan, work: PassWork<Result>): Promise<Result> {
    return work(this.native, () => undefined);
  }

  async *batches(
    plan: PassPlan & { readonly dropLast: boolean; readonly firstBatch: number },
  ): AsyncGenerator<NativeBatch, void, void> {
    const reader = this.native.batches(this.name, plan);
    try {
      for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) yield batch;
    } finally {
      reader.dispose();
    }
  }
}
