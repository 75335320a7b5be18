import type { Normalization } from "../config/schemas/data.js";

/** The standard normalization of ImageNet networks. */
export const IMAGENET_NORMALIZATION: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
