import { z } from "zod";
import type { Dataset } from "../api/dataset.js";
import type { Distiller } from "../api/distiller.js";
import { ReviewKdError } from "../errors.js";
import { mergeSettings, type Settings } from "../config/merge-settings.js";
import type { Model } from "../api/model.js";
import { findPreset, type PresetName } from "../config/presets/index.js";
import { NonNegativeNumber } from "../config/schemas/common.js";
import { TrainingOptions, type TrainingOptionsInput } from "../config/schemas/training.js";
import type { SessionTarget } from "../api/session.js";
import { parse } from "../config/validation.js";

/** Long enough for a file server that is started anew, or for somebody who makes room at once. */
const RETRY_DELAYS_MS = [1000, 3000, 9000];

/** What `fit` needs beside the settings of the training. */
export interface FitSettings {
  readonly data: Dataset;
  /** Directory for configuration, metrics, checkpoints and the trained network; omitted: nothing is written. */
  readonly runDirectory?: string | undefined;
  /** Go on from the newest whole checkpoint in `runDirectory`, or from the beginning where it has none yet. Default false. */
  readonly resume?: boolean | undefined;
  /** Resume with another configuration than the run was begun with; the change is recorded in `config-history.jsonl`. Default false. */
  readonly override?: boolean | undefined;
  /** Take `runDirectory` over from a run on another machine that never gave it back. Default false. */
  readonly forceUnlock?: boolean | undefined;
  /** A new run directory to save in at the end, where `runDirectory` cannot be written to. */
  readonly fallbackDirectory?: string | undefined;
  /** Pauses between the last attempts to save at the end of a training. Default: 1, 3 and 9 seconds. */
  readonly retryDelaysMs?: readonly number[] | undefined;
  /** A preset whose training settings stand where the options are silent. Its method is not used: the distiller has one. */
  readonly preset?: PresetName | undefined;
  /** Stops within one step and saves. */
  readonly signal?: AbortSignal | undefined;
  /** What `config.json` records, and what a resumed run is compared with. Default: derived from these options. */
  readonly config?: unknown;
}

/** Options of `fit`. */
export type FitOptions = SessionTarget & FitSettings & TrainingOptionsInput;

/** {@link FitOptions}, checked and with every default filled in. */
export interface FitPlan {
  readonly target: SessionTarget;
  /** The network that is trained. */
  readonly model: Model;
  readonly distiller: Distiller | undefined;
  readonly data: Dataset;
  readonly runDirectory: string | undefined;
  readonly resume: boolean;
  readonly override: boolean;
  readonly forceUnlock: boolean;
  readonly fallbackDirectory: string | undefined;
  readonly retryDelaysMs: readonly number[];
  readonly signal: AbortSignal | undefined;
  readonly config: unknown;
  readonly training: TrainingOptions;
}

/** @throws `INVALID_ARGUMENT`, `UNKNOWN_NAME` */
export function planFit(options: FitOptions): FitPlan {
  const {
    distiller, model, data, runDirectory, resume = false, override = false, forceUnlock = false, retryDelaysMs = RETRY_DELAYS_MS,
    fallbackDirectory, preset, signal, config, ...explicit
  } = options;
  const layers: Settings[] = preset === undefined ? [explicit] : [findPreset(preset).training, explicit];
  const training = parse(TrainingOptions, mergeSettings(...layers), "fit options");
  if (resume && runDirectory === undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT", "expected a runDirectory for resume, got none");
  }
  parse(z.array(NonNegativeNumber), retryDelaysMs, "retryDelaysMs");
  const shared = { data, runDirectory, resume, override, forceUnlock, fallbackDirectory, retryDelaysMs, signal, training };
  if (distiller !== undefined && (model as unknown) === undefined) {
    const plan = { ...shared, target: { distiller }, model: distiller.student, distiller };
    return { ...plan, config: config ?? deriveConfig({ ...plan, preset }) };
  }
  if (model !== undefined && (distiller as unknown) === undefined) {
    const plan = { ...shared, target: { model }, model, distiller: undefined };
    return { ...plan, config: config ?? deriveConfig({ ...plan, preset }) };
  }
  throw new ReviewKdError("INVALID_ARGUMENT", "expected either a distiller or a model for fit, got both or none");
}

/** All that these objects tell of themselves. A seed or a weights file that a network came from is not known here. */
function deriveConfig({ model, distiller, data, training, preset }: Pick<FitPlan, "model" | "distiller" | "data" | "training"> & { preset: string | undefined }): unknown {
  return {
    task: distiller === undefined ? "train" : "distill",
    ...(preset === undefined ? {} : { preset }),
    ...(distiller === undefined
      ? { model: { name: model.name } }
      : { teacher: { name: distiller.teacher.name }, student: { name: model.name }, method: distiller.method }),
    data: { kind: data.kind, numClasses: data.numClasses, trainSamples: data.train.size, testSamples: data.test.size },
    training,
  };
}
