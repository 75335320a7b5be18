/**
 * Keys that `fit` adds to a checkpoint's metadata: a {@link FitProgress} and the configuration, both as JSON, and its
 * hash.
 */
export const TRAINING_METADATA = { progress: "fit", config: "config", configHash: "configHash" } as const;
