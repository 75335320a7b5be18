import { isDetectorName } from "../config/detector-defaults.js";
import { NETWORK_ALIASES } from "../config/name-aliases.js";
import { didYouMean, listed } from "../config/nearest-name.js";
import { DetectionSource, hasBoxes } from "../config/schemas/data.js";
import { ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { SplitImages } from "./split-images.js";

/**
 * Checks that a network can be trained on data of a kind, before anything is loaded or written.
 *
 * @param content - What is known of the training images, once they are loaded.
 * @throws ReviewKdError `INVALID_ARGUMENT`
 */
export function assertDataSuits(network: string, kind: string, content?: SplitImages["content"]): void {
  if (isDetectorName(network) && !hasBoxes(kind)) {
    const kinds = listed(DetectionSource.options.map(({ shape }) => shape.kind.value));
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid data set ${kind} for the detector ${network}: expected images with boxes, received images with a label each. Load one of the kind ${kinds}.`);
  }
  if (!isDetectorName(network) && hasBoxes(kind)) {
    const meant = didYouMean(network, addon().listDetectors(), NETWORK_ALIASES);
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid network for the data set ${kind}, images with boxes: expected a detector, received "${network}"${meant || ". Name one, such as faster-rcnn-resnet18-fpn."}`);
  }
  if (network.startsWith("mask-rcnn-") && content === "boxes") {
    const fix = kind === "voc" ? "Read them with masks: true (on the command line --masks)"
      : "Add outlines to the annotations";
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid data set ${kind} for ${network}: expected objects with masks, received boxes alone. ${fix}, or train a faster-rcnn.`);
  }
}
