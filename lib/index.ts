export { createModel, listModels, Model, readWeightsInfo } from "./api/model.js";
export type { EvaluateOptions, ModelOutput, StageFeature } from "./api/model.js";
export { convertWeights, inspectWeights, readStateDict, writeStateDict } from "./weights/weights.js";
export { exportStudent } from "./runs/export-student.js";
export { createDistiller, Distiller, listMethods } from "./api/distiller.js";
export type { DistillerOutput, DistillerParts, TermOutput } from "./api/distiller.js";
export { explainPair } from "./api/explain-pair.js";
export type { ExplainPairOptions } from "./api/explain-pair.js";
export { createSession, Session } from "./api/session.js";
export { namedValue, primaryMetric, registryTask } from "./api/task.js";
export type { SaveCheckpointOptions, SessionPosition, SessionTarget, TrainEpochOptions } from "./api/session.js";
export { Dataset, DatasetSplit } from "./api/dataset.js";
export { loadDataset } from "./datasets/load-dataset.js";
export type { Batch } from "./api/dataset.js";
export { Tensor } from "./api/tensor.js";
export type { StateDict, TensorInput } from "./api/tensor.js";
export { hierarchicalContextLoss } from "./api/functional.js";
export { inspectInstallation, packageVersion, systemInfo } from "./api/system.js";
export { installCudaLibTorch, listLibTorches, removeLibTorch } from "./install/libtorch.js";
export type { InstalledLibTorch } from "./install/libtorch.js";
export { ERROR_CODES, isReviewKdError, messageOf, ReviewKdError } from "./errors.js";
export type { ErrorCode, ReviewKdErrorOptions } from "./errors.js";
export { fit } from "./runs/fit.js";
export type { FitOptions } from "./fit/plan.js";
export { runExperiment } from "./runs/experiment.js";
export type { ExperimentOptions } from "./runs/experiment.js";
export { runStudy } from "./study/run-study.js";
export type { StudyOptions } from "./study/run-study.js";
export { parseStudyConfig } from "./study/study-config.js";
export { meanAndDeviation } from "./study/statistics.js";
export { parseRunConfig, readRunConfig, readRunConfigInput } from "./config/config-file.js";
export { mergeSettings } from "./config/merge-settings.js";
export type { Settings } from "./config/merge-settings.js";
export { findPreset, listPresets } from "./config/presets/index.js";
export type { PresetName } from "./config/presets/index.js";
export { fetchDataset } from "./datasets/fetch.js";
export type { FetchDatasetOptions } from "./datasets/fetch.js";
export * as schemas from "./config/schemas/index.js";
export type { DType, Device, ModelDType, Precision, Shape } from "./config/schemas/common.js";
export type { BatchOptionsInput, DataSource, DataSourceInput, Normalization,
  StoredDataSource } from "./config/schemas/data.js";
export type { StreamItem, StreamItems, StreamIterable, StreamPass, StreamPixels } from "./config/schemas/stream.js";
export type { BrokenImage, Change, ClassScore, EpochProgress, EpochSummary, Evaluation, FitEvent, Losses, StepResult,
  StepSeconds, SystemInfo, TermLosses } from "./config/schemas/events.js";
export type { Distance, FeatureTap, Fusion, Matching, Method, MethodInfo, MethodInput, MethodKind, StagePair,
  TeacherMode, Term, TermInput, TermKind } from "./config/schemas/method.js";
export type { InstallationAttempt, InstallationPlace, InstallationReport } from "./config/schemas/installation.js";
export type { FeatureSpec, ModelInfo, ModelOptionsInput } from "./config/schemas/model.js";
export type { ConvertOptionsInput, ExportOptionsInput, LoadOptionsInput, LoadReport, ArchitectureMatch, StoredDType,
  WeightsChoice, WeightsFormat, WeightsInfo, WeightsInspection } from "./config/schemas/weights.js";
export type { PairExplanation, PairOptionsInput } from "./config/schemas/pair.js";
export type { Preset, PresetMark } from "./config/schemas/preset.js";
export type { RunConfig, RunConfigInput } from "./config/schemas/run-config.js";
export type { CellResult, ConditionResult, Spread, StudyConfig, StudyConfigInput, StudyEvent, StudyKind,
  StudyResult } from "./config/schemas/study.js";
export type { FitResult } from "./config/schemas/run-record.js";
export type { LossInfo, MetricInfo, TaskInfo } from "./config/schemas/task.js";
export type { Optimizer, OptimizerInput, Schedule, ScheduleInput, StepOptionsInput, TrainingOptions,
  TrainingOptionsInput } from "./config/schemas/training.js";
