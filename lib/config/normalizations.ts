import type { Normalization } from "./schemas/data.js";

/** The standard normalization of ImageNet networks. */
export const IMAGENET_NORMALIZATION: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** That of CIFAR networks here and in the official code: `kCifarNormalization` of native/core/data/sources. */
export const CIFAR_NORMALIZATION: Normalization = { mean: [125.3 / 255, 123 / 255, 113.9 / 255],
  std: [63 / 255, 62.1 / 255, 66.7 / 255] };
