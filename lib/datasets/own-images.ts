import type { Share } from "../api/split-images.js";
import type { ImageBlock } from "./feed.js";

/** The part of a pass that one of several processes reads. */
export interface OwnImages {
  readonly batchSize: number;
  /** Undefined: this process is alone. */
  readonly share?: Share | undefined;
}

/** A range of positions in a pass. */
interface Range {
  readonly first: number;
  readonly end: number;
}

/** The positions that this process reads, from a batch on, in their order. `size`: of the whole pass. */
export function* ownPlaces(plan: OwnImages, size: number, firstBatch: number): Generator<number, void, void> {
  for (let batch = firstBatch; batch * plan.batchSize < size; ++batch) {
    const { first, end } = ownRange(plan, size, batch);
    for (let place = first; place < end; ++place) yield place;
  }
}

/** The part of a batch that this process has: as `Share::of` in native/core/data/share.h. */
export function ownRange({ batchSize, share }: OwnImages, size: number, batch: number): Range {
  const begin = batch * batchSize;
  const images = Math.max(0, Math.min(batchSize, size - begin));
  if (share === undefined) return { first: begin, end: begin + images };
  const { rank, size: processes, of, smallestBatch = 1 } = share;
  if (images < smallestBatch) return { first: begin, end: begin };
  if (of === "batches")
    return batch % processes === rank ? { first: begin, end: begin + images } : { first: begin, end: begin };
  const parts = Math.min(processes, images);
  if (rank >= parts) return { first: begin, end: begin };
  return { first: begin + Math.floor(images * rank / parts), end: begin + Math.floor(images * (rank + 1) / parts) };
}

/** Of consecutive blocks of images from the first image of a batch on, those of this process. */
export async function* ownBlocks(blocks: AsyncIterable<ImageBlock>, plan: OwnImages, size: number,
  firstBatch: number): AsyncGenerator<ImageBlock, void, void> {
  let position = firstBatch * plan.batchSize;
  for await (const block of blocks) {
    const count = block.labels.length;
    const imageValues = block.values.length / count;
    const end = position + count;
    for (let batch = Math.floor(position / plan.batchSize); batch * plan.batchSize < end; ++batch) {
      const own = ownRange(plan, size, batch);
      const first = Math.max(own.first, position) - position;
      const last = Math.min(own.end, end) - position;
      if (first >= last) continue;
      yield { values: block.values.subarray(first * imageValues, last * imageValues),
        labels: block.labels.subarray(first, last), replaced: last === count ? block.replaced ?? 0 : 0 };
    }
    position = end;
  }
}
