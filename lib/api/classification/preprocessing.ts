// The input of a classifier: recorded by a training, or assumed from the architecture.
import { CIFAR_NORMALIZATION, IMAGENET_NORMALIZATION } from "../../config/normalizations.js";
import type { Preprocessing } from "../../config/schemas/data.js";
import { resizedSide } from "../../images/center-crop.js";

/** The input of a network, and which parts of it nothing records. */
export interface ModelPreprocessing extends Preprocessing {
  /** The parts that are assumed: the weights do not record them, and the network was not trained by this process. */
  readonly assumed: readonly (keyof Preprocessing)[];
}

/** Parts of an input. */
export type KnownPreprocessing = { readonly [Key in keyof Preprocessing]?: Preprocessing[Key] | undefined };

/** The size from which on a network is for ImageNet rather than for CIFAR. */
const IMAGENET_SIDE = 224;

/**
 * Completes what is known of a network's input by what is published for its architecture: CIFAR-100's statistics for
 * images of 32 × 32 pixels, or torchvision's for ImageNet.
 *
 * @param published - Image size of the published results.
 */
export function completePreprocessing(known: KnownPreprocessing,
  published: readonly [height: number, width: number]): ModelPreprocessing {
  const isPhoto = Math.min(...published) >= IMAGENET_SIDE;
  const { imageSize = published, normalization = isPhoto ? IMAGENET_NORMALIZATION : CIFAR_NORMALIZATION } = known;
  const side = Math.min(...imageSize);
  const { resizeSize = isPhoto ? resizedSide(side) : side } = known;
  const complete = { imageSize, resizeSize, normalization };
  return { ...complete,
    assumed: (Object.keys(complete) as (keyof Preprocessing)[]).filter((key) => known[key] === undefined) };
}

/** The short side to resize images to for another input size: in proportion to that of the model's own. */
export function resizeSizeFor(imageSize: readonly [number, number], model: Preprocessing): number {
  return Math.round((model.resizeSize * Math.min(...imageSize)) / Math.min(...model.imageSize));
}

/** The input that a caller wants: what it gives replaces what the model has, and another size scales the resizing. */
export function withAssumptions(given: KnownPreprocessing, model: ModelPreprocessing): ModelPreprocessing {
  const { imageSize = model.imageSize, normalization = model.normalization } = given;
  const { resizeSize = resizeSizeFor(imageSize, model) } = given;
  return { imageSize, resizeSize, normalization,
    assumed: model.assumed.filter((key) =>
      given[key] === undefined && !(key === "resizeSize" && given.imageSize !== undefined)
    ) };
}

const warned = new WeakSet<object>();

/** Warns once for each model if its results depend on parts that are assumed. */
export function warnOfAssumed(model: { readonly name: string; readonly native: object },
  { assumed, imageSize, resizeSize, normalization }: ModelPreprocessing): void {
  if (assumed.length === 0 || warned.has(model.native)) return;
  warned.add(model.native);
  const used = JSON.stringify({ imageSize, resizeSize, normalization });
  process.emitWarning(
    `the weights of ${model.name} do not record ${assumed.join(", ")}: classify assumes those published for the network, ${used}. Pass them as options if the training used others.`,
    { code: "REVIEWKD_ASSUMED_PREPROCESSING" },
  );
}
