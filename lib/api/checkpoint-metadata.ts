/** Keys that `fit` adds to a checkpoint's metadata: a {@link FitProgress} and the configuration as JSON, and the configuration's hash. */
export const TRAINING_METADATA = { progress: "fit", config: "config", configHash: "configHash" } as const;
