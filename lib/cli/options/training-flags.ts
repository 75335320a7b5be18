import type { Command } from "commander";
import { usageError } from "../errors.js";
import { mergeSettings, schemas, type Settings } from "../../index.js";
import { addValue } from "./add-value.js";
import { omitEmpty } from "./omit-undefined.js";
import { addSchemaFlags, schemaSettings, type FlagRow } from "./schema-flags.js";
import { DATA_SPECS, dataSpec, path, positiveCount, positiveCountOrNone, positiveNumber, resumeMode, text,
  type DataSpec } from "./values.js";
import { LOAD_ROWS } from "./weights-flags.js";

/** The options of {@link addTrainingFlags} that name no setting, and those of its tables. */
export interface TrainingFlags extends Readonly<Record<string, unknown>> {
  readonly data?: DataSpec;
  readonly preset?: string;
  readonly config?: string;
  readonly run?: string;
  readonly resume?: true | "auto";
  readonly override?: true;
  readonly forceUnlock?: true;
  readonly fallbackDirectory?: string;
  readonly batchSizePerProcess?: number;
  readonly processTimeout?: number;
}

/** Of data that are read from image files, and from those of data sets. */
const IMAGE_FILES: readonly FlagRow[] = [
  { path: "data.imageSize", flag: "--image-size <n>",
    help:
      "image folders: height and width of the network's input, one number (default: 224; of eval: as in the weights)" },
  { path: "data.onDecodeError", flag: "--on-decode-error <what>",
    help: "image files: fail at one that cannot be decoded, or skip it" },
  { path: "data.numWorkers", flag: "--num-workers <n>",
    help: "image files: images decoded at a time (default: number of processors that it may use)" },
  { path: "data.invalidBoxes", flag: "--invalid-boxes <what>",
    help: "coco, voc: annotations without an area are an error, or drop them" },
  { path: "data.masks", flag: "--masks", help: "voc: read the masks of SegmentationObject" },
  { path: "data.labels", flag: "--labels <which>", help: "cifar100: fine (default), 100 classes, or coarse, 20" },
];

const DATA: readonly FlagRow[] = [
  ...IMAGE_FILES,
  { path: "data.trainSizes", flag: "--train-sizes <n,n,…>",
    help: "coco, voc, scenes: short sides, one of which is drawn for each training image" },
  { path: "data.limitTrain", flag: "--limit-train <n>",
    help: "use only the first N training images, of image folders in turn from each class" },
  { path: "data.limitTest", flag: "--limit-test <n>", help: "use only the first N test images, likewise" },
];

const TRAINING: readonly FlagRow[] = [
  { path: "training.epochs", flag: "--epochs <n>", help: "passes over the training images" },
  { path: "training.maxSteps", flag: "--max-steps <n>",
    help: "optimizer steps of the whole training, instead of --epochs or as a second limit" },
  { path: "training.batchSize", flag: "--batch-size <n>", help: "images in a training batch" },
  { path: "training.evaluationBatchSize", flag: "--evaluation-batch-size <n>", help: "images in an evaluation batch" },
  { path: "training.optimizer.learningRate", flag: "--learning-rate <x>", help: "full learning rate" },
  { path: "training.optimizer.momentum", flag: "--momentum <x>", help: "momentum of SGD, below 1" },
  { path: "training.optimizer.nesterov", flag: "--no-nesterov", help: "plain momentum instead of Nesterov's" },
  { path: "training.optimizer.weightDecay", flag: "--weight-decay <x>", help: "weight decay" },
  { path: "training.optimizer.normWeightDecay", flag: "--norm-weight-decay <x>",
    help: "weight decay of batch normalizations (default: the weight decay)" },
  { path: "training.schedule.kind", flag: "--schedule <kind>",
    help: "learning rate over epochs: constant, multi-step or cosine" },
  { path: "training.schedule.milestones", flag: "--milestones <n,n,…>",
    help: "epochs, counted from 0, after which multi-step lowers the rate: 149 lowers it after 150 epochs" },
  { path: "training.schedule.milestoneSteps", flag: "--milestone-steps <n,n,…>",
    help: "optimizer steps, counted from 0, from which multi-step lowers the rate" },
  { path: "training.schedule.factor", flag: "--lr-factor <x>", help: "factor of the rate at each milestone" },
  { path: "training.schedule.warmupEpochs", flag: "--lr-warmup-epochs <x>",
    help: "epochs over which the rate rises from 0" },
  { path: "training.schedule.warmupSteps", flag: "--lr-warmup-steps <n>",
    help: "optimizer steps over which the rate rises" },
  { path: "training.schedule.warmupFactor", flag: "--lr-warmup-factor <x>",
    help: "share of the rate at the first of these steps (default: 0)" },
  { path: "training.microBatches", flag: "--micro-batches <n>",
    help: "parts that a batch is split into to save memory" },
  { path: "training.accumulateBatches", flag: "--accumulate-batches <n>",
    help: "batches averaged for one optimizer step" },
  { path: "training.clipNorm", flag: "--clip-norm <x>", help: "largest L2 norm of the gradient" },
  { path: "training.augment", flag: "--no-augment",
    help: "train on the images as they are, not padded, cropped and flipped" },
  { path: "training.seed", flag: "--seed <n>", help: "seed of initialization, order and augmentation" },
  { path: "training.precision", flag: "--precision <type>", help: "float32 or bfloat16" },
  { path: "training.teacherPrecision", flag: "--teacher-precision <type>",
    help: "of the teacher's forward pass (default: the precision)" },
];

export const THREADS_HELP =
  "threads of one operation (default: OMP_NUM_THREADS, else as many as cores that it may use)";

const MACHINE: readonly FlagRow[] = [
  { path: "training.device", flag: "--device <name>", help: "cpu, cuda or auto" },
  { path: "training.threads", flag: "--threads <n>", help: THREADS_HELP },
  { path: "training.teacherThreads", flag: "--teacher-threads <n>",
    help:
      "threads on which a teacher runs ahead of its student; 0: it runs in turn (default: as many as --threads, if that is given and there are twice as many cores)" },
  { path: "training.fused", flag: "--no-fused",
    help: "the plain PyTorch form of every operation: slower, equal within rounding" },
];

const SAVING: readonly FlagRow[] = [
  { path: "training.checkpointEvery", flag: "--checkpoint-every <n>",
    help: "keep a checkpoint of its own after every N epochs, in addition to the last and the best" },
  { path: "training.keepCheckpoints", flag: "--keep-checkpoints <n>",
    help: "keep only the newest N of these (default: all)" },
  { path: "training.checkpointMinutes", flag: "--checkpoint-minutes <x>", help: "save within an epoch this often" },
];

export const METHOD: readonly FlagRow[] = [
  { path: "method.kind", flag: "--method <kind>", help: "how the student learns, with the defaults of this kind",
    parser: text },
  { path: "method.weight", flag: "--weight <x>", help: "weight of the distillation loss" },
  { path: "method.warmupEpochs", flag: "--warmup-epochs <x>", help: "epochs over which that weight rises" },
  { path: "method.teacherMode", flag: "--teacher-mode <mode>", help: "batch statistics of the teacher: eval or train" },
  { path: "method.midChannels", flag: "--mid-channels <n>", help: "channels inside the fusion modules" },
];

const PRESET: readonly FlagRow[] = [
  { path: "linearScaling", flag: "--linear-scaling",
    help: "scale the preset's learning rate and steps to another --batch-size by the linear rule" },
  { path: "publishedQuirks", flag: "--no-published-quirks",
    help: "leave out the preset's quirks of the published code (`reviewkd presets` marks those)" },
];

/** The defaults of detectors, which differ from those that the flags show. */
export const DETECTOR_HELP = `
Detectors (faster-rcnn-BACKBONE-fpn, mask-rcnn-BACKBONE-fpn, retinanet-BACKBONE-fpn) have other defaults:
  12 epochs, batches of 8, learning rate 0.01, weight decay 1e-4 but 0 on norms, cosine schedule;
  the distillation loss has its full weight from the start.`;

export function addData(command: Command): void {
  addValue(command, "--data <kind:dir>", `${DATA_SPECS} (default: synthetic; for detectors: scenes)`, dataSpec);
  addSchemaFlags(command, schemas.TrainConfig, DATA);
}

export function addImageFiles(command: Command): void {
  addSchemaFlags(command, schemas.TrainConfig, IMAGE_FILES);
}

/** How a detector resizes images; `network`: the path of its settings. */
export function imageSizes(network: string): readonly FlagRow[] {
  return [
    { path: `${network}.detection.minSize`, flag: "--min-size <n>", parser: positiveCountOrNone, nullable: true,
      help:
        "detectors: short side that images are resized to, or none to keep their size (default: 800, scenes: none)" },
    { path: `${network}.detection.maxSize`, flag: "--max-size <n>",
      help: "detectors: upper bound of their long side (default: 1333)" },
  ];
}

/** The weights and the definition that a student starts from. */
export const STUDENT: readonly FlagRow[] = [
  { path: "student.weights", flag: "--student-weights <file>",
    help: "start it from these weights (.safetensors, a file of PyTorch, .pkl, or an index of shards)" },
  ...LOAD_ROWS.student,
  { path: "student.backboneWeights", flag: "--backbone-weights <file>",
    help: "detectors: weights of the student's backbone alone, as of a classifier for ImageNet" },
  { path: "student.flavor", flag: "--flavor <name>",
    help: "detectors: whose definition the student follows: torchvision or detectron2" },
  ...imageSizes("student"),
];

/** Data, training and machine, for every command that trains. */
export function addRecipeFlags(command: Command): void {
  addData(command);
  command.optionsGroup("Training:");
  addSchemaFlags(command, schemas.TrainConfig, TRAINING);
  command.optionsGroup("Machine:");
  addSchemaFlags(command, schemas.TrainConfig, MACHINE);
}

/** How often a run saves. */
export function addCheckpointFlags(command: Command): void {
  addSchemaFlags(command, schemas.TrainConfig, SAVING);
}

export function addSavingFlags(command: Command): void {
  addCheckpointFlags(command);
  command.option("--force-unlock", "take the directory over from a run on another machine that did not release it");
}

/** `--preset`, described by `help`, and its options. */
export function addPreset(command: Command, help: string): void {
  addValue(command, "--preset <name>", help, text);
  addSchemaFlags(command, schemas.TrainConfig, PRESET);
}

export function addTrainingFlags(command: Command): Command {
  addRecipeFlags(command);
  command.optionsGroup("Run:");
  addValue(command, "--run <dir>", "run directory (default: runs/<task>-<networks>-<seed>)", path);
  addValue(command, "--resume [auto]",
    "continue from the run directory's newest valid checkpoint; auto: if it holds a run, otherwise begin one",
    resumeMode);
  command.option("--override", "resume with settings other than the recorded ones, and record the change");
  addSavingFlags(command);
  addValue(command, "--fallback-directory <dir>",
    "a new run directory to save in at the end if the first is not writable", path);
  addProcessFlags(command);
  command.optionsGroup("Run:");
  addPreset(command, "settings of a published run; config file and flags override them");
  addValue(command, "--config <file>", "settings from a YAML or JSON file; flags override them", path);
  return command;
}

/** For commands that train in several processes. */
function addProcessFlags(command: Command): void {
  command.optionsGroup("Several processes (torchrun, srun, `reviewkd launch`):");
  addValue(command, "--batch-size-per-process <n>",
    "images of a step in each process, instead of --batch-size, which is divided among them", positiveCount);
  addSchemaFlags(command, schemas.TrainConfig, PROCESSES);
  addValue(command, "--process-timeout <s>",
    "seconds that a process waits for the others before it gives up (default: 600)", positiveNumber);
}

const PROCESSES: readonly FlagRow[] = [
  { path: "training.syncBatchNorm", flag: "--sync-batch-norm",
    help: "batch normalizations take statistics over the images of all processes" },
];

/** The settings with the batch size of all processes, if the flags have that of each one. */
export function withProcessBatches({ batchSizePerProcess: own }: TrainingFlags, settings: Settings,
  processes: number): Settings {
  if (own === undefined) return settings;
  const { training } = settings as { training?: Settings };
  if (training?.["batchSize"] !== undefined) {
    throw usageError("either --batch-size or --batch-size-per-process", "flags",
      `--batch-size ${JSON.stringify(training["batchSize"])} --batch-size-per-process ${own}`);
  }
  return mergeSettings(settings, { training: { batchSize: own * processes } });
}

/** The flags that the user passed, in the shape of a run configuration. */
export function trainingSettings(flags: TrainingFlags): Settings {
  const { training } = schemaSettings(flags, [...TRAINING, ...MACHINE, ...SAVING, ...PROCESSES]) as {
    training?: Settings;
  };
  const schedule = training?.["schedule"] as Settings | undefined;
  // Milestones and their factor belong to one kind of schedule.
  const isMultiStep = schedule !== undefined && schedule["kind"] === undefined &&
    ("milestones" in schedule || "milestoneSteps" in schedule || "factor" in schedule);
  const data = dataSettings(flags);
  return {
    ...schemaSettings(flags, PRESET),
    ...(data === undefined ? {} : { data }),
    ...(training === undefined ? {}
      : { training: isMultiStep ? { ...training, schedule: { kind: "multi-step", ...schedule } } : training }),
  };
}

/** The data source of the flags; undefined if the user passed none of them. */
export function dataSettings(flags: TrainingFlags): Settings | undefined {
  const { data } = schemaSettings(flags, DATA) as { data?: Settings };
  return omitEmpty(mergeSettings(flags.data ?? {}, data ?? {}));
}
