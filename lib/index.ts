/// <reference lib="esnext.disposable" preserve="true" />
export { createModel, listDetectors, listModels, Model, readWeightsInfo, type ForwardOptionsInput, type ModelOutput,
  type StageFeature } from "./api/model.js";
export { Network, type EvaluateOptions } from "./api/network.js";
export type { ExportOnnxOptions, OnnxProgress } from "./api/onnx/export-onnx.js";
export type { OnnxFile } from "./config/schemas/onnx.js";
export type { ExportTransformersOptions } from "./api/onnx/export-transformers.js";
export { createDetector, type CreateDetectorOptions } from "./api/detection/create-detector.js";
export { Detector, type DetectorForwardOptionsInput, type Detections,
  type DetectorOutput } from "./api/detection/detector.js";
export type { DetectAllOptions, DetectedImage, DetectOptions, ImageInput,
  SkippedImage } from "./api/detection/detect.js";
export type { ClassifiedImage, ClassifyAllOptions, ClassifyOptions,
  Prediction } from "./api/classification/classify.js";
export type { ModelPreprocessing } from "./api/classification/preprocessing.js";
export { listImages, type ListImagesOptions } from "./images/list-images.js";
export { toCocoResults } from "./detection/coco-results.js";
export { detectedObjects, type DetectedObject } from "./detection/detected-objects.js";
export { drawDetections, type DrawOptions } from "./detection/draw.js";
export { convertWeights, inspectWeights, readStateDict, writeStateDict } from "./weights/weights.js";
export { loadNotices } from "./weights/load-notices.js";
export { exportStudent } from "./runs/export-student.js";
export { loadStudent, readRunData } from "./runs/load-student.js";
export { createDistiller, Distiller, listMethods, type AnyDistiller, type DetectorDistillerOutput, type DistillerOutput,
  type DistillerParts, type TermOutput } from "./api/distiller.js";
export { explainPair, type ExplainPairOptions } from "./api/explain-pair.js";
export { createSession, Session, type DistributedOption, type SaveCheckpointOptions, type SessionPosition,
  type SessionTarget, type TrainEpochOptions } from "./api/session.js";
export { isCommonError, joinProcessGroup, ProcessGroup, type JoinOptions,
  type ProcessGroupMember } from "./api/process-group.js";
export { metricDecimals, metricText, namedValue, primaryMetric, registryTask } from "./api/task.js";
export { Dataset, DatasetSplit, type AnyBatch, type Batch, type DetectionBatch,
  type ObjectTargets } from "./api/dataset.js";
export { loadDataset, type LoadDatasetOptions } from "./datasets/load-dataset.js";
export { Tensor, type StateDict, type TensorInput } from "./api/tensor.js";
export type { TensorValues, TypedArray } from "./native-types.js";
export { hierarchicalContextLoss } from "./api/functional/distillation.js";
export * as functional from "./api/functional/index.js";
export * as masks from "./detection/masks.js";
export { evaluateDetections, type CocoEvaluation, type EvaluateDetectionsOptions,
  type VocEvaluation } from "./detection/evaluate.js";
export type { CocoAnnotation, CocoCategory, CocoDetection, CocoGroundTruth, CocoImage,
  CocoSegmentation } from "./detection/coco-types.js";
export { inspectInstallation, makeDirectory, packageVersion, systemInfo } from "./api/system.js";
export { installCudaLibTorch, listLibTorches, removeLibTorch, type InstalledLibTorch } from "./install/libtorch.js";
export { ERROR_CODES, isReviewKdError, messageOf, ReviewKdError, type ErrorCode,
  type ReviewKdErrorOptions } from "./errors.js";
export { processEnvironment, type EnvironmentVariables, type ProcessEnvironment } from "./distributed/environment.js";
export { launchProcesses, type LaunchEvent, type LaunchOptions, type LaunchResult } from "./distributed/launch.js";
export { launchStopSeconds, listenForLauncherEnd } from "./distributed/launched.js";
export { listenForStopSignals, type StopSignal } from "./distributed/stop-signals.js";
export { fit } from "./runs/fit.js";
export { endProcess } from "./native.js";
export { allowEndWithoutTerminal, isHangUpIgnored } from "./runs/hang-up.js";
export type { FitOptions, FitSettings } from "./fit/plan.js";
export { runExperiment, type ExperimentOptions } from "./runs/experiment.js";
export { isRunDirectory } from "./runs/run-directory.js";
export { runStudy, type StudyOptions } from "./study/run-study.js";
export { planStudy } from "./study/plan-study.js";
export { runStudyCell } from "./study/run-study-cell.js";
export { collectStudy } from "./study/collect-study.js";
export { queueStudy, type QueueStudyOptions } from "./study/queue/queue-study.js";
export { workOnStudies, type WorkOptions } from "./study/queue/work-on-studies.js";
export type { CellOptions } from "./study/train-cell.js";
export { parseStudyConfig } from "./study/plan/study-config.js";
export { meanAndDeviation } from "./study/results/statistics.js";
export { expandHome } from "./config/file-path.js";
export { parseRunConfig, readRunConfig, readRunConfigInput } from "./config/config-file.js";
export { isDetectorName } from "./config/detector-defaults.js";
export type { Aliases } from "./config/name-aliases.js";
export { nearestName } from "./config/nearest-name.js";
export { mergeSettings } from "./config/merge-settings.js";
export { type Settings } from "./config/settings.js";
export { findPreset, listPresets, type PresetName } from "./config/presets/index.js";
export { DetectionAnnotations, type AnnotationReport, type DetectionCategory, type DetectionImage,
  type ImageAnnotations } from "./datasets/detection/annotations.js";
export { detectionFrom } from "./datasets/detection/detection-from.js";
export { drawFlip, drawSize, groupedOrder, ratioEdges } from "./datasets/detection/grouped-order.js";
export { readCocoAnnotations, type AnnotationProgress, type ReadCocoOptions } from "./datasets/detection/read-coco.js";
export { readVocAnnotations, type ReadVocOptions, type VocProgress } from "./datasets/detection/voc/read-voc.js";
export type { Segmentation } from "./datasets/detection/segmentations.js";
export { fetchDataset, type FetchDatasetOptions } from "./datasets/fetch.js";
export type { DownloadProgress } from "./datasets/download.js";
export * as schemas from "./config/schemas/index.js";
export type { BoxWeights, DetectionOptions, DetectorOptionsInput, Flavor, Size,
  StateDictOptionsInput } from "./config/schemas/detection/detector.js";
export type { DType, Device, Exif, Metadata, ModelDType, Precision, Shape } from "./config/schemas/common.js";
export type { BatchOptionsInput, DataSource, DataSourceInput, DetectionBatchOptionsInput, DetectionSourceInput,
  DataNotice, LabelledSourceInput, LoadProgress, Normalization, Preprocessing, SplitName, StoredDataSource,
  StoredDataSourceInput } from "./config/schemas/data.js";
export type { CocoCategoryScore, CocoStats, DetectionMetric, Rle, VocCategoryScore,
  VocStats } from "./config/schemas/detection/evaluation.js";
export type { CocoSource, DetectionImageInput, DetectionInputOptions, GroupedOrderOptionsInput, MaskInput,
  VocSource } from "./config/schemas/detection/data.js";
export type { StreamItem, StreamItems, StreamIterable, StreamPass, StreamPixels } from "./config/schemas/stream.js";
export type { ClassScore, EpochProgress, EpochSummary, Evaluation } from "./config/schemas/epoch.js";
export type { BrokenImage, Change, FitEvent } from "./config/schemas/fit-event.js";
export type { Losses, StepResult, StepSeconds, TermLosses } from "./config/schemas/losses.js";
export type { SystemInfo, InstallationAttempt, InstallationFinding, InstallationPlace,
  InstallationReport } from "./config/schemas/system.js";
export type { Distance, FeatureTap, Fusion, Matching, Method, MethodInfo, MethodInput, MethodKind, StagePair,
  TeacherMode, Term, TermInput, TermKind } from "./config/schemas/method.js";
export type { FeatureSpec, ModelInfo, ModelOptionsInput } from "./config/schemas/model.js";
export type { ConvertOptionsInput, DetectorFileInfo, DetectorKind, DetectorLoadReport, DetectorSaveOptionsInput,
  ExportOptionsInput, LoadOptionsInput, LoadStudentOptionsInput, LoadReport, ModelSaveOptionsInput, ArchitectureMatch,
  StoredDType, WeightsChoice, WeightsFormat, WeightsInfo, WeightsInspection } from "./config/schemas/weights.js";
export type { PairExplanation, PairOptionsInput } from "./config/schemas/pair.js";
export type { Preset, PresetMark } from "./config/schemas/preset.js";
export type { NetworkConfig, RunConfig, RunConfigInput, TeacherConfig } from "./config/schemas/run-config.js";
export type { CellResult, ConditionResult, PlannedCell, Spread, StudyConfig, StudyConfigInput, StudyEvent, StudyKind,
  StudyPlan, StudyResult, StudyTrainingOptions, StudyTrainingOptionsInput, WorkEvent } from "./config/schemas/study.js";
export type { FitResult } from "./config/schemas/run-record.js";
export type { LossInfo, MetricInfo, TaskInfo } from "./config/schemas/task.js";
export type { Optimizer, OptimizerInput, Schedule, ScheduleInput, StepOptions, StepOptionsInput, TrainingOptions,
  TrainingOptionsInput } from "./config/schemas/training.js";
