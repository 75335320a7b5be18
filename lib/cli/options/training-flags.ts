import { Option, type Command } from "commander";
import { schemas, type Settings } from "../../index.js";
import { omitUndefined, omitEmpty } from "./omit-undefined.js";
import { count, counts, DATA_SPECS, dataSpec, nonNegativeNumber, oneOf, positiveCount, positiveNumber, text, type DataSpec, type ValueParser } from "./values.js";

/** The parsed flags of {@link addData}. */
export interface DataFlags {
  readonly data?: DataSpec;
  readonly imageSize?: number;
  readonly onDecodeError?: "fail" | "skip";
  readonly numWorkers?: number;
  readonly limitTrain?: number;
  readonly limitTest?: number;
}

/** The parsed flags that `train` and `distill` share. */
export interface TrainingFlags extends DataFlags {
  readonly preset?: string;
  readonly config?: string;
  readonly run?: string;
  readonly resume?: true;
  readonly override?: true;
  readonly forceUnlock?: true;
  readonly fallbackDirectory?: string;
  readonly checkpointEvery?: number;
  readonly keepCheckpoints?: number;
  readonly checkpointMinutes?: number;
  readonly json?: true;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly evaluationBatchSize?: number;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weightDecay?: number;
  readonly schedule?: "constant" | "multi-step" | "cosine";
  readonly milestones?: number[];
  readonly lrFactor?: number;
  readonly lrWarmupEpochs?: number;
  readonly accumulate?: number;
  readonly clipNorm?: number;
  readonly augment?: boolean;
  readonly seed?: number;
  readonly device?: (typeof DEVICES)[number];
  readonly precision?: (typeof PRECISIONS)[number];
  readonly threads?: number;
  readonly reference?: true;
}

/** Adds an option whose value is parsed by `parser`; error messages use its long flag. */
export function addValue<T>(
  command: Command, flags: string, help: string, parser: ValueParser<T>, { mandatory = false } = {},
): Command {
  const option = new Option(flags, help).makeOptionMandatory(mandatory);
  return command.addOption(option.argParser(parser(option.long ?? flags)));
}

export const DEVICES = ["cpu", "cuda", "auto"] as const;
export const PRECISIONS = ["float32", "bfloat16"] as const;

/** Adds `--data` and related options. */
export function addData(command: Command): Command {
  addValue(command, "--data <kind:dir>", `${DATA_SPECS} (default: synthetic)`, dataSpec);
  addImageFolder(command);
  addValue(command, "--limit-train <n>", "use only the first N training images; for image folders, taken from each class in turn", positiveCount);
  return addValue(command, "--limit-test <n>", "the same for the test images", positiveCount);
}

/** Adds the options of image folders. */
export function addImageFolder(command: Command): Command {
  addValue(command, "--image-size <n>", "image folders: height and width of the network input (default: 224)", positiveCount);
  addValue(command, "--on-decode-error <what>", "image folders: fail (default) on a file that cannot be decoded, or skip it", oneOf(["fail", "skip"]));
  return addValue(command, "--num-workers <n>", "image folders: images decoded at a time (default: number of cores)", positiveCount);
}

/** Adds `--json`. */
export function addJson(command: Command): Command {
  return command.option("--json", "print only JSON to standard output, one event per line");
}

/** Adds the data, training and machine options of all training commands. Unset flags stay unset: defaults live in the schemas. */
export function addRecipeFlags(command: Command): Command {
  addData(command);
  command.optionsGroup("Training:");
  const defaults = schemas.TrainingOptions.parse({});
  const { optimizer } = defaults;
  addValue(command, "--epochs <n>", `passes over the training images (default: ${defaults.epochs})`, positiveCount);
  addValue(command, "--batch-size <n>", `images per training batch (default: ${defaults.batchSize})`, positiveCount);
  addValue(command, "--evaluation-batch-size <n>", `images per evaluation batch (default: ${defaults.evaluationBatchSize})`, positiveCount);
  addValue(command, "--learning-rate <x>", `full learning rate (default: ${optimizer.learningRate})`, positiveNumber);
  addValue(command, "--momentum <x>", `momentum of SGD, below 1 (default: ${optimizer.momentum})`, nonNegativeNumber);
  command.option("--no-nesterov", "plain momentum instead of Nesterov's");
  addValue(command, "--weight-decay <x>", `weight decay (default: ${optimizer.weightDecay})`, nonNegativeNumber);
  addValue(command, "--schedule <kind>", `learning rate over epochs: constant, multi-step or cosine (default: ${defaults.schedule.kind})`, oneOf(["constant", "multi-step", "cosine"]));
  addValue(command, "--milestones <n,n,…>", "epochs after which multi-step lowers the rate", counts);
  addValue(command, "--lr-factor <x>", "factor by which multi-step lowers the rate", positiveNumber);
  addValue(command, "--lr-warmup-epochs <x>", "epochs over which the rate rises from 0", nonNegativeNumber);
  addValue(command, "--accumulate <n>", `batches averaged for one optimizer step (default: ${defaults.accumulate})`, positiveCount);
  addValue(command, "--clip-norm <x>", "maximum L2 norm of the gradient", positiveNumber);
  command.option("--no-augment", "train on unmodified images, without padding, cropping and flipping");
  addValue(command, "--seed <n>", `seed of initialisation, order and augmentation (default: ${defaults.seed})`, count);
  addValue(command, "--precision <type>", `float32 or bfloat16 (default: ${defaults.precision})`, oneOf(PRECISIONS));
  command.optionsGroup("Machine:");
  addValue(command, "--device <name>", "cpu, cuda or auto", oneOf(DEVICES));
  addValue(command, "--threads <n>", "threads per operation (default: number of cores)", positiveCount);
  command.option("--reference", "use plain PyTorch operations instead of fused ones: slower, equal within rounding");
  return command;
}

/** Adds the options for saving and locking. */
export function addSavingFlags(command: Command): Command {
  const { checkpointMinutes } = schemas.TrainingOptions.parse({});
  addValue(command, "--checkpoint-every <n>", "keep an additional checkpoint every N epochs, besides the last and the best", positiveCount);
  addValue(command, "--keep-checkpoints <n>", "keep only the newest N additional checkpoints (default: all)", positiveCount);
  addValue(command, "--checkpoint-minutes <x>", `interval for saving within an epoch, in minutes (default: ${checkpointMinutes ?? "never"})`, positiveNumber);
  return command.option("--force-unlock", "take over the directory from a run on another machine that did not release it");
}

/** Adds all options that `train` and `distill` share. */
export function addTrainingFlags(command: Command): Command {
  addRecipeFlags(command);
  command.optionsGroup("Run:");
  addValue(command, "--run <dir>", "run directory (default: runs/<task>-<networks>-<seed>)", text);
  command.option("--resume", "resume from the newest valid checkpoint of the run directory");
  command.option("--override", "allow resuming with changed settings, and record the change");
  addSavingFlags(command);
  addValue(command, "--fallback-directory <dir>", "new run directory to save to at the end if the first cannot be written", text);
  addValue(command, "--preset <name>", "settings of a published run; overridden by config file and flags", text);
  addValue(command, "--config <file>", "settings from a YAML or JSON file; overridden by flags", text);
  return addJson(command);
}

/** The given flags in the shape of a run configuration. */
export function trainingSettings(flags: TrainingFlags): Settings {
  // Commander sets a `--no-…` option to true if the flag is absent.
  const optimizer = omitEmpty({
    learningRate: flags.learningRate,
    momentum: flags.momentum,
    nesterov: flags.nesterov === false ? false : undefined,
    weightDecay: flags.weightDecay,
  });
  const schedule = omitEmpty({
    kind: flags.schedule ?? (flags.milestones === undefined && flags.lrFactor === undefined ? undefined : "multi-step"),
    milestones: flags.milestones,
    factor: flags.lrFactor,
    warmupEpochs: flags.lrWarmupEpochs,
  });
  const training = omitEmpty({
    epochs: flags.epochs,
    batchSize: flags.batchSize,
    evaluationBatchSize: flags.evaluationBatchSize,
    seed: flags.seed,
    device: flags.device,
    precision: flags.precision,
    threads: flags.threads,
    reference: flags.reference,
    accumulate: flags.accumulate,
    clipNorm: flags.clipNorm,
    augment: flags.augment === false ? false : undefined,
    checkpointEvery: flags.checkpointEvery,
    keepCheckpoints: flags.keepCheckpoints,
    checkpointMinutes: flags.checkpointMinutes,
    optimizer,
    schedule,
  });
  return omitUndefined({ data: dataSettings(flags), training });
}

/** The given flags in the shape of a data source. */
export function dataSettings(flags: DataFlags): Settings | undefined {
  const { data, imageSize, onDecodeError, numWorkers, limitTrain, limitTest } = flags;
  return omitEmpty({ ...data, imageSize, onDecodeError, numWorkers, limitTrain, limitTest });
}
