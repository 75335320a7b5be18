// The API that a worker serves: the package's own functions and classes. Loaded in the worker alone; its caller uses
// only the types.
import { Dataset, DatasetSplit } from "../api/dataset.js";
import { evaluateDetections } from "../detection/evaluate.js";
import * as masks from "../detection/masks.js";
import { loadDataset } from "../datasets/load-dataset.js";
import { createDetector } from "../api/detection/create-detector.js";
import { Detector } from "../api/detection/detector.js";
import { createDistiller, Distiller, type AnyDistiller } from "../api/distiller.js";
import { runExperiment } from "../runs/experiment.js";
import { explainPair } from "../api/explain-pair.js";
import { fit } from "../runs/fit.js";
import { createModel, listModels, Model } from "../api/model.js";
import { createSession, Session, type AnySession } from "../api/session.js";
import { systemInfo } from "../api/system.js";
import { Tensor } from "../api/tensor.js";
import { inspectWeights } from "../weights/weights.js";
import { exportStudent } from "../runs/export-student.js";
import { loadStudent } from "../runs/load-student.js";
import type { Implementation } from "./server.js";

export type Masks = typeof masks;

/** The functions of `masks`, by names that no other function has. */
export type MaskFunctions = { readonly [Name in keyof Masks as `masks.${Name}`]: Masks[Name] };
const MASKS = Object.fromEntries(
  Object.entries(masks).map(([name, member]) => [`masks.${name}`, member]),
) as unknown as MaskFunctions;

export const API = {
  classes: { Tensor, Model, Detector, Distiller, Session, Dataset, DatasetSplit },
  constructors: { Tensor: (...args: Parameters<typeof Tensor.from>) => Tensor.from(...args) },
  functions: { createModel, createDetector, createDistiller, createSession, loadDataset, fit, runExperiment,
    explainPair, inspectWeights, exportStudent, loadStudent, listModels, systemInfo, evaluateDetections, ...MASKS },
} satisfies Implementation;

export type ApiFunctions = (typeof API)["functions"];
export type ApiClasses = {
  readonly [Kind in keyof (typeof API)["classes"]]: Kind extends "Session" ? AnySession :
    Kind extends "Distiller" ? AnyDistiller :
    Kind extends "Dataset" ? Dataset :
    Kind extends "DatasetSplit" ? DatasetSplit
    : (typeof API)["classes"][Kind]["prototype"];
};
