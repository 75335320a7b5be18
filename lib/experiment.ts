import { parseRunConfig } from "./config-file.js";
import { loadDataset } from "./dataset.js";
import { createDistiller } from "./distiller.js";
import { fit } from "./fit.js";
import type { FitSettings } from "./fit-options.js";
import { createModel, type Model } from "./model.js";
import type { FitEvent } from "./schemas/events.js";
import type { NetworkConfig, RunConfigInput } from "./schemas/run-config.js";
import type { FitResult } from "./schemas/run-record.js";

/** Where a run is kept, and what stops it. */
export type ExperimentOptions = Pick<FitSettings, "runDirectory" | "resume" | "signal">;

/**
 * Does all that a run configuration says: loads the data, builds the networks, trains, and frees everything in the end.
 * Every seed follows from `training.seed`, so that the same configuration gives the same weights.
 *
 * @throws `CONFIG_INVALID` (a distillation without the teacher's weights, say), and what `loadDataset`, `createModel`,
 * `createDistiller` and `fit` throw.
 *
 * @example
 * ```ts
 * const config = { task: "train", model: { name: "resnet20" }, data: { kind: "synthetic" } } as const;
 * for await (const event of runExperiment(config, { runDirectory: "runs/first" })) console.log(event.type);
 * ```
 */
export async function* runExperiment(input: RunConfigInput, options: ExperimentOptions = {}): AsyncGenerator<FitEvent, FitResult, void> {
  const config = parseRunConfig(input);
  using data = await loadDataset(config.data);
  const build = ({ name, weights }: NetworkConfig): Promise<Model> =>
    createModel(name, { numClasses: data.numClasses, seed: config.training.seed, weights });
  const shared = { ...options, ...config.training, data, config };
  if (config.task === "train") {
    using model = await build(config.model);
    return yield* fit({ ...shared, model });
  }
  using teacher = await build(config.teacher);
  using student = await build(config.student);
  using distiller = await createDistiller({ teacher, student, method: config.method, seed: config.training.seed });
  return yield* fit({ ...shared, distiller });
}
