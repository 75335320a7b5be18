// One split of images with boxes, as trainings and evaluations read it.
import { createHash } from "node:crypto";
import { withShare, type DetectionBatchPlan, type PassPlan, type PassWork,
  type SplitImages } from "../../api/split-images.js";
import { ReviewKdError } from "../../errors.js";
import { addon } from "../../native.js";
import type { AnyNativeBatch, NativeBatchQueue, NativeDetectionEvaluation } from "../../native-types.js";
import { CocoSource } from "../../detection/coco-source.js";
import { FLAG, InstanceRows } from "../../detection/instance-rows.js";
import { Pacer } from "../../api/pacer.js";
import { mapInOrder } from "../../images/map-in-order.js";
import type { Put } from "../feed.js";
import { BATCHES_AHEAD, QueuePass } from "../queue-pass.js";
import { ownPlaces } from "../own-images.js";
import { readAll } from "../stored-images.js";
import type { DetectionAnnotations } from "./annotations.js";
import type { DecodedImage } from "../../images/decode-image.js";
import { drawFlip, drawSize, groupedOrder } from "./grouped-order.js";

/** The images of a data set by their index; `undefined` for one that is broken and may be skipped. */
export interface ImageReader {
  /** Images that are read at a time. */
  readonly numWorkers: number;
  read(index: number): Promise<DecodedImage | undefined>;
}

export interface DetectionSplitOptions {
  readonly kind: string;
  readonly annotations: DetectionAnnotations;
  readonly reader: ImageReader;
  /** The images of the split, by their index in the annotations. */
  readonly images: readonly number[];
  /** Mirror half of the images in passes that augment. */
  readonly flip: boolean;
  /** Shorter sides, one of which is drawn for each image in such passes. */
  readonly trainSizes?: readonly number[] | undefined;
}

/** A decoded image, and how it is used in a pass. */
interface PreparedImage extends DecodedImage {
  readonly position: number;
  readonly flip: boolean;
  readonly shortest: number;
  readonly isReplacement: boolean;
}

/** Images of any sizes with their objects. Sizes of a split are those of its largest image. */
export class DetectionImages implements SplitImages {
  readonly size: number;
  readonly height: number;
  readonly width: number;
  readonly content: "boxes" | "masks";
  readonly #ratios: Float64Array;
  #truths: Promise<NativeDetectionEvaluation> | undefined;
  #disposed = false;

  constructor(private readonly options: DetectionSplitOptions) {
    const { images, annotations } = options;
    this.size = images.length;
    this.content = annotations.hasOutlines ? "masks" : "boxes";
    this.#ratios = new Float64Array(images.length);
    let [highest, widest] = [1, 1];
    for (const [position, index] of images.entries()) {
      const [height, width] = annotations.sizeOf(index);
      [highest, widest] = [Math.max(highest, height), Math.max(widest, width)];
      this.#ratios[position] = width / height;
    }
    [this.height, this.width] = [highest, widest];
  }

  /** Of the images' sizes, and of the classes and boxes of their objects. */
  async fingerprint(): Promise<string> {
    const { annotations, images } = this.options;
    const hash = createHash("sha256").update(JSON.stringify(annotations.categories));
    const pacer = new Pacer(undefined, "comparing the annotations");
    for (const index of images) {
      const { categories, annotatedBoxes } = annotations.of(index);
      hash.update(Float64Array.from(annotations.sizeOf(index))).update(categories).update(annotatedBoxes);
      if (pacer.isDue()) await pacer.pause();
    }
    return hash.digest("hex").slice(0, 16);
  }

  async pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result> {
    await using pass = await this.#open(plan, putImage);
    return await pass.run(work);
  }

  async *batches(plan: DetectionBatchPlan): AsyncGenerator<AnyNativeBatch, void, void> {
    const { batchSize, dropLast, firstBatch, masks = this.content === "masks" } = plan;
    await using pass = await this.#open(withShare(plan), (queue, image) => putImage(queue, { ...image, shortest: 0 }));
    try {
      pass.queue.open(batchSize, dropLast ? batchSize : 1, firstBatch, { masks, labels: this.#labels(plan) },
        plan.share);
      yield* readAll(pass.queue);
    } catch (error) {
      throw pass.errorOf(error);
    }
  }

  /** Prevents new passes; running passes continue. */
  dispose(): void {
    this.#disposed = true;
    void this.#truths?.then((truths) => {
      truths.dispose();
    }, () => undefined);
  }

  async #open(plan: PassPlan, put: Put<PreparedImage>): Promise<QueuePass<PreparedImage>> {
    if (this.#disposed)
      throw new ReviewKdError("DISPOSED", "cannot use a Dataset after it was disposed. Load it again.");
    const truths = await (this.#truths ??= this.#pack());
    const { kind, annotations } = this.options;
    const queue = addon().newDetectionQueue({ kind, size: this.size,
      categoryIds: annotations.categories.map(({ id }) => id), ahead: BATCHES_AHEAD }, truths);
    return new QueuePass(queue, put, (firstBatch) => this.#produce(plan, firstBatch));
  }

  /** The label of each category. */
  #labels({ labels }: DetectionBatchPlan): number[] {
    return this.options.annotations.categories.map(({ id }, index) =>
      labels === "category-ids" ? id : labels === "from-0" ? index : index + 1
    );
  }

  /** The split's objects in native memory. */
  async #pack(): Promise<NativeDetectionEvaluation> {
    const { annotations, images } = this.options;
    const native = addon().newDetectionEvaluation({ kind: "segm", metric: "coco",
      categories: annotations.categories.length });
    const sizes = new Float64Array(2 * images.length);
    for (const [position, index] of images.entries()) sizes.set(annotations.sizeOf(index), 2 * position);
    native.addImages(Float64Array.from(images, (_, position) => position), sizes);
    const rows = new InstanceRows(native, new CocoSource([], "annotations"), "annotations");
    const pacer = new Pacer(undefined, "loading the annotations");
    for (const [position, index] of images.entries()) {
      addObjects(rows, position, annotations, index);
      if (pacer.isDue()) await pacer.pause();
    }
    rows.flush();
    return native;
  }

  async *#produce(plan: PassPlan, firstBatch: number): AsyncGenerator<PreparedImage, void, void> {
    const { batchSize, seed, epoch, shuffle } = plan;
    const batches = await groupedOrder(this.#ratios, { batchSize, seed, epoch, shuffle,
      ...(shuffle ? {} : { groups: [] }) });
    // Also from a later batch on all of them: one that replaces a broken image may come before it.
    const order = batches.flatMap((batch) => [...batch]);
    const places = ownPlaces(plan, order.length, firstBatch);
    const work = (at: number): Promise<PreparedImage | undefined> => this.#prepare(order, at, plan);
    for await (const image of mapInOrder(places, this.options.reader.numWorkers, work))
      if (image !== undefined) yield image;
  }

  /** The image at a place of the order; a broken one is replaced in a shuffled pass, whose steps are fixed. */
  async #prepare(order: readonly number[], at: number, plan: PassPlan): Promise<PreparedImage | undefined> {
    const { reader, images, kind, flip, trainSizes } = this.options;
    const { seed, epoch, augment, shuffle } = plan;
    for (let offset = 0; offset < order.length; ++offset) {
      const position = order[(at + offset) % order.length] as number;
      const decoded = await reader.read(images[position] as number);
      if (decoded === undefined && !shuffle) return undefined;
      if (decoded === undefined) continue;
      return { ...decoded, position, isReplacement: offset > 0,
        flip: augment && flip && drawFlip(seed, epoch, position),
        shortest: augment && trainSizes !== undefined ? drawSize(trainSizes, seed, epoch, position) : 0 };
    }
    throw new ReviewKdError("FILE_CORRUPT",
      `cannot decode any of the ${order.length} images of the data set ${kind}. Replace the broken files.`);
  }
}

async function putImage(queue: NativeBatchQueue, image: PreparedImage): Promise<void> {
  const { pixels, height, width, position, flip, shortest, isReplacement } = image;
  queue.putDecoded(pixels, height, width, { position, flip, shortest, isReplacement });
  return Promise.resolve();
}

function addObjects(rows: InstanceRows, image: number, annotations: DetectionAnnotations, index: number): void {
  const { count, categories, annotatedBoxes, areas, crowd, difficult, segmentation } = annotations.of(index);
  for (let i = 0; i < count; ++i) {
    const outline = segmentation(i);
    rows.add({
      image,
      category: categories[i] as number,
      flags: FLAG.hasBox | (crowd[i] === 1 ? FLAG.crowd : 0) | (difficult[i] === 1 ? FLAG.difficult : 0),
      box: [...annotatedBoxes.subarray(4 * i, 4 * i + 4)] as [number, number, number, number],
      area: areas[i] as number,
      score: 0,
      segmentation: outline === undefined ? undefined : outline.kind === "rle" ? outline.rle : outline.polygons,
    });
  }
}
