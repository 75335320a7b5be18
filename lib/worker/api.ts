// What a worker serves: the package's own functions and classes. Loaded in the worker alone; its caller uses only the types.
import { Dataset, DatasetSplit, loadDataset } from "../dataset.js";
import { createDistiller, Distiller } from "../distiller.js";
import { runExperiment } from "../experiment.js";
import { explainPair } from "../explain-pair.js";
import { fit } from "../fit.js";
import { createModel, listModels, Model } from "../model.js";
import { createSession, Session } from "../session.js";
import { systemInfo } from "../system.js";
import { Tensor } from "../tensor.js";
import { exportStudent, inspectWeights } from "../weights.js";
import type { Implementation } from "./server.js";

export const API = {
  classes: { Tensor, Model, Distiller, Session, Dataset, DatasetSplit },
  constructors: { Tensor: (...args: Parameters<typeof Tensor.from>) => Tensor.from(...args) },
  functions: {
    createModel, createDistiller, createSession, loadDataset, fit, runExperiment, explainPair, inspectWeights, exportStudent, listModels, systemInfo,
  },
} satisfies Implementation;

export type ApiFunctions = (typeof API)["functions"];
export type ApiClasses = { readonly [Kind in keyof (typeof API)["classes"]]: (typeof API)["classes"][Kind]["prototype"] };
