import { z } from "zod";
import { assertDataSuits } from "../api/data-suits.js";
import { assertDataset, type Dataset } from "../api/dataset.js";
import type { AnyDistiller } from "../api/distiller.js";
import { ReviewKdError } from "../errors.js";
import { DETECTOR_TRAINING, isDetectorName } from "../config/detector-defaults.js";
import { withHome } from "../config/file-path.js";
import { mergeSettings } from "../config/merge-settings.js";
import { type Settings } from "../config/settings.js";
import type { Detector } from "../api/detection/detector.js";
import type { Model } from "../api/model.js";
import { assertPreset, scaledTraining } from "../config/preset-settings.js";
import { findPreset, type PresetName } from "../config/presets/index.js";
import { NonNegativeNumber } from "../config/schemas/common.js";
import { TrainingOptions, type TrainingOptionsInput, withEnd } from "../config/schemas/training.js";
import { assertProcessGroup, type ProcessGroup } from "../api/process-group.js";
import { assertTarget, type SessionTarget } from "../api/session.js";
import { assertObject, parse } from "../config/validation.js";
import { assertWeights } from "./assert-weights.js";
import { trainingLength, type TrainingLength } from "./training-length.js";

/** Long enough for a file server to restart, or for a user to free disk space. */
const RETRY_DELAYS_MS = [1000, 3000, 9000];

/** Options of `fit` in addition to the training options. */
export interface FitSettings {
  /** The training and test images. */
  readonly data: Dataset;
  /** Directory for configuration, metrics, checkpoints and the trained network. Default: nothing is written. */
  readonly runDirectory?: string | undefined;
  /**
   * Resume from the newest valid checkpoint in `runDirectory`, or from the beginning if none. "auto": resume if the
   * directory holds a run, and begin one otherwise, so that the same program begins and continues it. Default false.
   */
  readonly resume?: boolean | "auto" | undefined;
  /** Allow resuming with a changed configuration; the change is recorded in `config-history.jsonl`. Default false. */
  readonly override?: boolean | undefined;
  /** Take over `runDirectory` from a run on another machine that did not release it. Default false. */
  readonly forceUnlock?: boolean | undefined;
  /** A new run directory to save to at the end if `runDirectory` cannot be written. */
  readonly fallbackDirectory?: string | undefined;
  /** Delays before each retry of saving at the end of a training. Default: 1, 3 and 9 seconds. */
  readonly retryDelaysMs?: readonly number[] | undefined;
  /** A preset that provides omitted training options. Its method is not used, because the distiller has one. */
  readonly preset?: PresetName | undefined;
  /**
   * Scales the preset's learning rate, and inversely its numbers of steps, to `batchSize` by the linear rule of Goyal
   * et al. (2017). Options given here stay as they are. Default false.
   */
  readonly linearScaling?: boolean | undefined;
  /**
   * Measure the teacher on the test images before the student trains; a resumed training does not repeat it. Default
   * true.
   */
  readonly evaluateTeacher?: boolean | undefined;
  /** Stops within one step and saves. With several processes, those of the others stop at the same step. */
  readonly signal?: AbortSignal | undefined;
  /**
   * The processes that train together: `batchSize` is divided among them, and the first one writes the run directory.
   * All receive `start`, `resumed`, `teacher`, `epoch`, `interrupted` and `end`, in the same order; other events come
   * in some alone, so that a call which waits for all processes, such as `barrier()`, has no place in their handling.
   * Default: this process trains alone.
   */
  readonly distributed?: ProcessGroup | undefined;
  /** The configuration for `config.json` and to compare a resumed run with. Default: derived from these options. */
  readonly config?: unknown;
}

/** The options of `fit` that are not training options. */
const SETTING_KEYS: readonly string[] = Object.keys(
  { distiller: 0, model: 0, data: 0, runDirectory: 0, resume: 0, override: 0, forceUnlock: 0, fallbackDirectory: 0,
    retryDelaysMs: 0, preset: 0, linearScaling: 0, evaluateTeacher: 0, signal: 0, config: 0,
    distributed: 0 } satisfies Record<
      keyof FitSettings | "distiller" | "model",
      0
    >,
);
/** Options without a schema elsewhere. */
const OtherOptions = z.strictObject({ runDirectory: z.string().min(1),
  resume: z.union([z.boolean(), z.literal("auto")]).describe('true, false or "auto"'), override: z.boolean(),
  forceUnlock: z.boolean(), fallbackDirectory: z.string().min(1) }).partial();

/** Options of `fit`. */
export type FitOptions = SessionTarget & FitSettings & TrainingOptionsInput;

/** Validated {@link FitOptions} with all defaults applied. */
export interface FitPlan extends FitSettings {
  readonly target: SessionTarget;
  /** The trained network. */
  readonly model: Model | Detector;
  readonly distiller?: AnyDistiller | undefined;
  readonly retryDelaysMs: readonly number[];
  readonly training: TrainingOptions;
  readonly length: TrainingLength;
}

/** @throws `INVALID_ARGUMENT`, `UNKNOWN_NAME` */
export function planFit(options: FitOptions): FitPlan {
  assertObject(options, "fit options");
  const { distiller, model, data, resume, override, forceUnlock, retryDelaysMs = RETRY_DELAYS_MS, preset,
    linearScaling = false, evaluateTeacher = true, signal, config, distributed, runDirectory: run,
    fallbackDirectory: fallback, ...explicit } = options;
  assertProcessGroup(distributed);
  const runDirectory = run === undefined ? undefined : withHome(run, "runDirectory");
  const fallbackDirectory = fallback === undefined ? undefined : withHome(fallback, "fallbackDirectory");
  parse(z.boolean(), evaluateTeacher, "evaluateTeacher");
  if (parse(z.boolean(), linearScaling, "linearScaling"))
    assertPreset(preset, "linearScaling", "fit options", "INVALID_ARGUMENT");
  const layers: Settings[] = [isDetectorName((distiller?.student ?? model)?.name) ? DETECTOR_TRAINING : {},
    ...preset === undefined ? [] : [trainingOf(preset, linearScaling, explicit)], explicit];
  const training = parse(withEnd(TrainingOptions), mergeSettings(...layers), "fit options", "INVALID_ARGUMENT",
    SETTING_KEYS);
  if ((resume === true || resume === "auto") && runDirectory === undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      "invalid fit options: resume requires a runDirectory. Pass the directory of the run to resume.");
  }
  parse(z.array(NonNegativeNumber), retryDelaysMs, "retryDelaysMs");
  parse(OtherOptions, { runDirectory, resume, override, forceUnlock, fallbackDirectory }, "fit options");
  assertTarget({ distiller, model }, "fit options");
  assertDataset(data);
  const trained = (distiller?.student ?? model) as Model | Detector;
  assertDataSuits(trained.name, data.kind, data.train.images.content);
  if (distiller !== undefined) assertWeights(distiller);
  const target = distiller === undefined ? { model } : { distiller };
  const plan = { target, model: trained, distiller, data, runDirectory, resume, override, forceUnlock,
    fallbackDirectory, retryDelaysMs, evaluateTeacher, signal, distributed, training,
    length: trainingLength(training, data.train.size), preset, linearScaling } as FitPlan;
  return { ...plan, config: config ?? deriveConfig(plan) };
}

function trainingOf(preset: PresetName, isScaled: boolean, explicit: Settings): Settings {
  const { training } = findPreset(preset);
  return isScaled ? scaledTraining(training, explicit) : training;
}

/** The configuration as far as these objects know it: without the seed or weights that a network was created from. */
function deriveConfig({ model, distiller, data, training, preset, linearScaling }: FitPlan): unknown {
  return {
    task: distiller === undefined ? "train" : "distill",
    ...(preset === undefined ? {} : { preset }),
    ...(linearScaling === true ? { linearScaling } : {}),
    ...(distiller === undefined
      ? { model: { name: model.name } }
      : { teacher: { name: distiller.teacher.name }, student: { name: model.name }, method: distiller.method }),
    data: { kind: data.kind, numClasses: data.numClasses, trainSamples: data.train.size, testSamples: data.test.size },
    training,
  };
}
