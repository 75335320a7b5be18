import { mergeSettings } from "./merge-settings.js";
import { isSettings, type Settings } from "./settings.js";
import { type DetectorSwitches, stagesOf } from "./schemas/detection/detector.js";

/** Whether the name of a network is that of a detector: a kind, a backbone and a pyramid. */
export function isDetectorName(name: unknown): boolean {
  return typeof name === "string" && /^(?:faster-rcnn|mask-rcnn|retinanet)-.*-fpn$/.test(name);
}

/** Of the kinds of detectors, those whose labels count the background. */
export function hasBackgroundClass(name: string): boolean {
  return stagesOf(name) === "two-stage";
}

const DETECTOR_OPTIMIZER = { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: false, weightDecay: 1e-4,
  normWeightDecay: 0 };

/**
 * Defaults of a detector's training where they differ from a classifier's: rate, momentum and decay as published for
 * batches of 8 on COCO; no decay of norms; a schedule that suits any number of epochs.
 */
export const DETECTOR_TRAINING: Settings = {
  epochs: 12,
  batchSize: 8,
  evaluationBatchSize: 8,
  optimizer: DETECTOR_OPTIMIZER,
  schedule: { kind: "cosine", warmupEpochs: 0.5 },
};

/** The options of a session, with a detector's defaults of the optimizer below them. */
export function withDetectorDefaults(name: unknown, options: object): object {
  if (!isDetectorName(name)) return options;
  const given = options as Settings;
  const { normWeightDecay, ...others } = DETECTOR_OPTIMIZER;
  const hasOwnDecay = isSettings(given["optimizer"]) && given["optimizer"]["weightDecay"] !== undefined;
  return mergeSettings({ optimizer: hasOwnDecay ? others : { normWeightDecay, ...others } }, given);
}

/** Defaults of a method between detectors where they differ from those between classifiers; none for most options. */
export function detectorMethodDefaults(kind: unknown): Settings {
  // The weight is full from the start. dkd: of mdistiller's detectors, on the logits of regions.
  return { warmupEpochs: 0, ...(kind === "dkd" ? { alpha: 1, beta: 0.25, temperature: 1 } : {}) };
}

/** A method, with a detector's defaults below it if this network is one. */
export function withDetectorMethodDefaults(network: unknown, method: unknown): unknown {
  if (!isDetectorName(network) || !isSettings(method)) return method;
  if (method["kind"] !== "sum") return mergeSettings(detectorMethodDefaults(method["kind"]), method);
  const terms = method["of"];
  if (!Array.isArray(terms)) return method;
  return { ...method, of: terms.map((term: unknown) => withDetectorMethodDefaults(network, term)) };
}

/** Switches of a detector that is created for data of a kind. Drawn scenes are small already. */
export function dataSwitches(kind: string): DetectorSwitches {
  return kind === "scenes" ? { minSize: null } : {};
}

/** Defaults of a run that trains this network; none for a classifier. */
export function detectorRunDefaults(name: unknown): Settings {
  return isDetectorName(name) ? { data: { kind: "scenes" }, training: DETECTOR_TRAINING } : {};
}
