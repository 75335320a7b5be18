export { createModel, listModels, Model, readWeightsInfo } from "./model.js";
export type { EvaluateOptions, ModelOutput, StageFeature } from "./model.js";
export { convertWeights, exportStudent, inspectWeights, readStateDict, writeStateDict } from "./weights.js";
export { createDistiller, Distiller, listMethods } from "./distiller.js";
export type { DistillerOutput, DistillerParts, TermOutput } from "./distiller.js";
export { explainPair } from "./explain-pair.js";
export type { ExplainPairOptions } from "./explain-pair.js";
export { createSession, Session } from "./session.js";
export type { SaveCheckpointOptions, SessionPosition, SessionTarget, TrainEpochOptions } from "./session.js";
export { Dataset, DatasetSplit, loadDataset } from "./dataset.js";
export type { Batch } from "./dataset.js";
export { Tensor } from "./tensor.js";
export type { StateDict, TensorInput } from "./tensor.js";
export { hierarchicalContextLoss } from "./functional.js";
export { inspectInstallation, packageVersion, systemInfo } from "./system.js";
export { installCudaLibTorch, listLibTorches, removeLibTorch } from "./install/libtorch.js";
export type { InstalledLibTorch } from "./install/libtorch.js";
export { ERROR_CODES, isReviewKdError, messageOf, ReviewKdError } from "./errors.js";
export type { ErrorCode, ReviewKdErrorOptions } from "./errors.js";
export { fit } from "./fit.js";
export type { FitOptions } from "./fit-options.js";
export { runExperiment } from "./experiment.js";
export type { ExperimentOptions } from "./experiment.js";
export { runStudy } from "./study/run-study.js";
export type { StudyOptions } from "./study/run-study.js";
export { parseStudyConfig } from "./study/study-config.js";
export { meanAndDeviation } from "./statistics.js";
export { parseRunConfig, readRunConfig, readRunConfigInput } from "./config-file.js";
export { mergeSettings } from "./merge-settings.js";
export type { Settings } from "./merge-settings.js";
export { findPreset, listPresets } from "./presets.js";
export type { PresetName } from "./presets.js";
export { fetchDataset } from "./datasets/fetch.js";
export type { FetchDatasetOptions } from "./datasets/fetch.js";
export * as schemas from "./schemas/index.js";
export type { DType, Device, ModelDType, Precision, Shape } from "./schemas/common.js";
export type { BatchOptionsInput, DataSource, DataSourceInput, Normalization, StoredDataSource } from "./schemas/data.js";
export type { StreamItem, StreamItems, StreamIterable, StreamPass, StreamPixels } from "./schemas/stream.js";
export type {
  BrokenImage, Change, ClassScore, EpochProgress, EpochSummary, Evaluation, FitEvent, Losses, StepResult, StepSeconds, SystemInfo, TermLosses,
} from "./schemas/events.js";
export type {
  Distance, FeatureTap, Fusion, Matching, Method, MethodInfo, MethodInput, MethodKind, StagePair, TeacherMode, Term, TermInput, TermKind,
} from "./schemas/method.js";
export type { InstallationAttempt, InstallationPlace, InstallationReport } from "./schemas/installation.js";
export type { FeatureSpec, ModelInfo, ModelOptionsInput } from "./schemas/model.js";
export type {
  ConvertOptionsInput, ExportOptionsInput, LoadOptionsInput, LoadReport, ModelFit, StoredDType, WeightsChoice, WeightsFormat, WeightsInfo, WeightsInspection,
} from "./schemas/weights.js";
export type { PairExplanation, PairOptionsInput } from "./schemas/pair.js";
export type { Preset, PresetMark } from "./schemas/preset.js";
export type { RunConfig, RunConfigInput } from "./schemas/run-config.js";
export type { CellResult, ConditionResult, Spread, StudyConfig, StudyConfigInput, StudyEvent, StudyKind, StudyResult } from "./schemas/study.js";
export type { FitResult } from "./schemas/run-record.js";
export type { Optimizer, OptimizerInput, Schedule, ScheduleInput, StepOptionsInput, TrainingOptions, TrainingOptionsInput } from "./schemas/training.js";
