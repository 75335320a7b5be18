import { withHome } from "../config/file-path.js";
import { parseRunConfig } from "../config/config-file.js";
import { assertObject } from "../config/validation.js";
import { type NetworkRole, withAdvice } from "../config/weights-advice.js";
import { type Dataset } from "../api/dataset.js";
import { loadDataset } from "../datasets/load-dataset.js";
import { createDistiller } from "../api/distiller.js";
import { isCommonError } from "../api/process-group.js";
import { fit } from "./fit.js";
import { runFile } from "./run-directory.js";
import { locateFiles, withWorkingDirectory } from "./working-directory.js";
import type { FitSettings } from "../fit/plan.js";
import { withReports } from "../fit/with-reports.js";
import { loadNotices } from "../weights/load-notices.js";
import { createDetector } from "../api/detection/create-detector.js";
import { assertDataSuits } from "../api/data-suits.js";
import type { Detector } from "../api/detection/detector.js";
import { createModel, type Model } from "../api/model.js";
import { hasBackgroundClass, isDetectorName } from "../config/detector-defaults.js";
import { ReviewKdError } from "../errors.js";
import type { Device } from "../config/schemas/common.js";
import type { LoadProgress } from "../config/schemas/data.js";
import type { FitEvent } from "../config/schemas/fit-event.js";
import type { NetworkConfig, RunConfig, RunConfigInput, TeacherConfig } from "../config/schemas/run-config.js";
import type { FitResult } from "../config/schemas/run-record.js";

type ConfigOf<Task extends RunConfig["task"]> = Extract<RunConfig, { task: Task }>;

/** Options of a run: its directory, how to resume it, and a signal that stops it. */
export type ExperimentOptions = Pick<FitSettings,
  "runDirectory" | "resume" | "override" | "forceUnlock" | "fallbackDirectory" | "retryDelaysMs" | "evaluateTeacher"
    | "signal" | "distributed">;

/** Interval of events while data are read. */
const LOADING_INTERVAL_MS = 100;

/**
 * Executes a run configuration: loads the data, creates the networks, trains, and frees everything at the end. All
 * seeds derive from `training.seed`, so that the same configuration gives the same weights.
 *
 * @throws `CONFIG_INVALID` (for example, a distillation without the teacher's weights), and what `loadDataset`,
 * `createModel`, `createDistiller` and `fit` throw.
 *
 * @example
 * ```ts
 * const config = { task: "train", model: { name: "resnet20" }, data: { kind: "synthetic" } } as const;
 * for await (const event of runExperiment(config, { runDirectory: "runs/first" })) console.log(event.type);
 * ```
 */
export async function* runExperiment(input: RunConfigInput,
  options: ExperimentOptions = {}): AsyncGenerator<FitEvent, FitResult, void> {
  assertObject(options, "experiment options");
  try {
    return yield* run(input, options);
  } catch (error) {
    // Others would wait for this process.
    if (!isCommonError(error)) await options.distributed?.fail(error);
    throw error;
  }
}

async function* run(input: RunConfigInput, options: ExperimentOptions): AsyncGenerator<FitEvent, FitResult, void> {
  const { runDirectory, resume } = options;
  const recordedIn = (resume === true || resume === "auto") && runDirectory !== undefined
    ? runFile(withHome(runDirectory, "runDirectory"), "config") : undefined;
  const config = await withWorkingDirectory(parseRunConfig(input), recordedIn);
  const files = await locateFiles(config);
  assertDataSuits((config.task === "train" ? config.model : config.student).name, config.data.kind);
  using data = yield* loading(files, options.signal);
  for (const { text } of data.notices) yield { type: "notice", topic: "data", message: text };
  if (config.task === "train") return yield* runTraining(config, { data }, options);
  using teacher = await buildTeacher((files as typeof config).teacher, data, config.training.seed);
  yield* weightsNotices("teacher", config.teacher, teacher);
  return yield* runDistillation(config, { data, teacher }, options);
}

/** How the names in a network's weights file differ from its own. */
function* weightsNotices(role: NetworkRole, { weights, backboneWeights }: NetworkConfig,
  { loadReport }: Model | Detector): Generator<FitEvent, void, void> {
  const path = weights ?? backboneWeights;
  if (path === undefined || loadReport === null) return;
  for (const line of loadNotices(loadReport))
    yield { type: "notice", topic: "weights", message: `${role} ${path}: ${line}` };
}

/** Loads the data, and yields events about it. */
async function* loading({ data }: RunConfig, signal: AbortSignal | undefined): AsyncGenerator<FitEvent, Dataset, void> {
  const reports = withReports<LoadProgress, Dataset>(
    (onProgress, stop) => loadDataset(data, { onProgress, signal: stop }),
    { intervalMs: LOADING_INTERVAL_MS, signal },
  );
  try {
    for (;;) {
      const next = await reports.next();
      if (next.done === true) return next.value;
      yield { type: "loading", ...next.value };
    }
  } finally {
    await reports.return(undefined as never);
  }
}

/** Creates a network for a data set. A session moves it to its device; `device` is for use without one. */
export async function buildModel(config: NetworkConfig, data: Dataset, seed: number, device?: Device,
  role: NetworkRole = "model"): Promise<Model | Detector> {
  return withAdvice(role, build(config, data, seed, device));
}

async function build({ name, weights, key, strict, ...own }: NetworkConfig, data: Dataset, seed: number,
  device?: Device): Promise<Model | Detector> {
  const load = { weights, key, strict };
  if (isDetectorName(name)) {
    const numClasses = data.numClasses + (hasBackgroundClass(name) ? 1 : 0);
    return createDetector(name, { data, numClasses, seed, device, ...load, ...own });
  }
  const [option] = Object.entries(own).find(([, value]) => value !== undefined) ?? [];
  if (option === undefined) return createModel(name, { numClasses: data.numClasses, seed, device, ...load });
  throw new ReviewKdError("CONFIG_INVALID",
    `invalid ${option} for ${name}: expected it for detectors alone. Leave it out, or name a detector such as faster-rcnn-resnet18-fpn.`);
}

/**
 * Creates the teacher of a distillation. A detector has the classes of its file, also if they are not those of the
 * data: most methods compare pyramids alone.
 */
export async function buildTeacher(config: TeacherConfig, data: Dataset, seed: number,
  device?: Device): Promise<Model | Detector> {
  if (!isDetectorName(config.name)) return buildModel(config, data, seed, device, "teacher");
  const { name, ...own } = config;
  return withAdvice("teacher", createDetector(name, { seed, device, ...own }));
}

/** Runs task `"train"` on loaded data, so that several runs can share it. */
export async function* runTraining(config: ConfigOf<"train">, { data }: { readonly data: Dataset },
  options: ExperimentOptions): AsyncGenerator<FitEvent, FitResult, void> {
  const { model: network } = await locateFiles(config);
  using model = await buildModel(network, data, config.training.seed);
  yield* weightsNotices("model", network, model);
  return yield* fit({ ...options, ...config.training, data, config, model });
}

/** Runs task `"distill"` with loaded data and teacher. */
export async function* runDistillation(config: ConfigOf<"distill">,
  { data, teacher }: { readonly data: Dataset; readonly teacher: Model | Detector },
  options: ExperimentOptions): AsyncGenerator<FitEvent, FitResult, void> {
  const { student: network } = await locateFiles(config);
  using student = await buildModel(network, data, config.training.seed, undefined, "student");
  yield* weightsNotices("student", network, student);
  using distiller = await createDistiller({ teacher, student, method: config.method, seed: config.training.seed });
  return yield* fit({ ...options, ...config.training, data, config, distiller });
}
