import { Option, type Command } from "commander";
import { schemas, type Settings } from "../index.js";
import { given, givenOrNothing } from "./given.js";
import { count, counts, DATA_SPECS, dataSpec, nonNegativeNumber, oneOf, positiveCount, positiveNumber, text, type DataSpec, type ValueParser } from "./values.js";

/** What Commander hands over for {@link addData}. */
export interface DataFlags {
  readonly data?: DataSpec;
  readonly imageSize?: number;
  readonly onBroken?: "fail" | "skip";
  readonly decoders?: number;
  readonly limitTrain?: number;
  readonly limitTest?: number;
}

/** What Commander hands over for the options that `train` and `distill` share. */
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
  readonly microBatches?: number;
  readonly accumulateBatches?: number;
  readonly clipNorm?: number;
  readonly augment?: boolean;
  readonly seed?: number;
  readonly device?: (typeof DEVICES)[number];
  readonly precision?: (typeof PRECISIONS)[number];
  readonly threads?: number;
  readonly reference?: true;
}

/** Adds an option whose text `parser` reads; its long flag names it in errors. */
export function addValue<T>(
  command: Command, flags: string, help: string, parser: ValueParser<T>, { mandatory = false } = {},
): Command {
  const option = new Option(flags, help).makeOptionMandatory(mandatory);
  return command.addOption(option.argParser(parser(option.long ?? flags)));
}

export const DEVICES = ["cpu", "cuda", "auto"] as const;
export const PRECISIONS = ["float32", "bfloat16"] as const;

/** `--data` and what goes with it. */
export function addData(command: Command): Command {
  addValue(command, "--data <kind:dir>", `${DATA_SPECS} (default: synthetic)`, dataSpec);
  addImageFolder(command);
  addValue(command, "--limit-train <n>", "use only the first N training images, of image folders in turn from each class", positiveCount);
  return addValue(command, "--limit-test <n>", "the same of the test images", positiveCount);
}

/** What only image folders take. */
export function addImageFolder(command: Command): Command {
  addValue(command, "--image-size <n>", "image folders: height and width that the network sees (default: 224)", positiveCount);
  addValue(command, "--on-broken <what>", "image folders: fail (default) at a file that cannot be decoded, or skip it", oneOf(["fail", "skip"]));
  return addValue(command, "--decoders <n>", "image folders: images decoded at a time (default: number of cores)", positiveCount);
}

/** `--json`. */
export function addJson(command: Command): Command {
  return command.option("--json", "one JSON event a line on standard output, nothing else");
}

/** Data, training and machine, as every command has them that trains. Unset flags stay unset: defaults live in the schemas. */
export function addRecipeFlags(command: Command): Command {
  addData(command);
  command.optionsGroup("Training:");
  const defaults = schemas.TrainingOptions.parse({});
  const { optimizer } = defaults;
  addValue(command, "--epochs <n>", `passes over the training images (default: ${defaults.epochs})`, positiveCount);
  addValue(command, "--batch-size <n>", `images in a training batch (default: ${defaults.batchSize})`, positiveCount);
  addValue(command, "--evaluation-batch-size <n>", `images in an evaluation batch (default: ${defaults.evaluationBatchSize})`, positiveCount);
  addValue(command, "--learning-rate <x>", `full learning rate (default: ${optimizer.learningRate})`, positiveNumber);
  addValue(command, "--momentum <x>", `momentum of SGD, below 1 (default: ${optimizer.momentum})`, nonNegativeNumber);
  command.option("--no-nesterov", "plain momentum instead of Nesterov's");
  addValue(command, "--weight-decay <x>", `weight decay (default: ${optimizer.weightDecay})`, nonNegativeNumber);
  addValue(command, "--schedule <kind>", `learning rate over epochs: constant, multi-step or cosine (default: ${defaults.schedule.kind})`, oneOf(["constant", "multi-step", "cosine"]));
  addValue(command, "--milestones <n,n,…>", "epochs after which multi-step lowers the rate", counts);
  addValue(command, "--lr-factor <x>", "what multi-step multiplies the rate by", positiveNumber);
  addValue(command, "--lr-warmup-epochs <x>", "epochs in which the rate rises from 0", nonNegativeNumber);
  addValue(command, "--micro-batches <n>", `parts that a batch is split into to save memory (default: ${defaults.microBatches})`, positiveCount);
  addValue(command, "--accumulate-batches <n>", `batches averaged for one optimizer step (default: ${defaults.accumulateBatches})`, positiveCount);
  addValue(command, "--clip-norm <x>", "largest L2 norm of the gradient", positiveNumber);
  command.option("--no-augment", "train on the images as they are, not padded, cropped and flipped");
  addValue(command, "--seed <n>", `seeds initialisation, order and augmentation (default: ${defaults.seed})`, count);
  addValue(command, "--precision <type>", `float32 or bfloat16 (default: ${defaults.precision})`, oneOf(PRECISIONS));
  command.optionsGroup("Machine:");
  addValue(command, "--device <name>", "cpu, cuda or auto", oneOf(DEVICES));
  addValue(command, "--threads <n>", "threads of one operation", positiveCount);
  command.option("--reference", "the plain PyTorch form of every operation: slower, the same within rounding");
  return command;
}

/** What is saved when, and who may write. */
export function addSavingFlags(command: Command): Command {
  const { checkpointMinutes } = schemas.TrainingOptions.parse({});
  addValue(command, "--checkpoint-every <n>", "keep a checkpoint of its own after every N epochs, beside the last and the best", positiveCount);
  addValue(command, "--keep-checkpoints <n>", "of these, keep the newest N (default: all)", positiveCount);
  addValue(command, "--checkpoint-minutes <x>", `save within an epoch this often (default: ${checkpointMinutes ?? "never"})`, positiveNumber);
  return command.option("--force-unlock", "take the directory over from another machine's run that never gave it back");
}

/** Everything that `train` and `distill` share. */
export function addTrainingFlags(command: Command): Command {
  addRecipeFlags(command);
  command.optionsGroup("Run:");
  addValue(command, "--run <dir>", "run directory (default: runs/<task>-<networks>-<seed>)", text);
  command.option("--resume", "go on where the run directory's newest whole checkpoint stands");
  command.option("--override", "resume with other settings than the run was begun with, and record the change");
  addSavingFlags(command);
  addValue(command, "--fallback-directory <dir>", "a new run directory to save in at the end, where the first cannot be written to", text);
  addValue(command, "--preset <name>", "settings of a published run; config file and flags override them", text);
  addValue(command, "--config <file>", "settings from a YAML or JSON file; flags override them", text);
  return addJson(command);
}

/** The flags in the shape of a run configuration: only what was given. */
export function trainingSettings(flags: TrainingFlags): Settings {
  // Commander gives a `--no-…` option the value true where the flag is absent.
  const optimizer = givenOrNothing({
    learningRate: flags.learningRate,
    momentum: flags.momentum,
    nesterov: flags.nesterov === false ? false : undefined,
    weightDecay: flags.weightDecay,
  });
  const schedule = givenOrNothing({
    kind: flags.schedule ?? (flags.milestones === undefined && flags.lrFactor === undefined ? undefined : "multi-step"),
    milestones: flags.milestones,
    factor: flags.lrFactor,
    warmupEpochs: flags.lrWarmupEpochs,
  });
  const training = givenOrNothing({
    epochs: flags.epochs,
    batchSize: flags.batchSize,
    evaluationBatchSize: flags.evaluationBatchSize,
    seed: flags.seed,
    device: flags.device,
    precision: flags.precision,
    threads: flags.threads,
    reference: flags.reference,
    microBatches: flags.microBatches,
    accumulateBatches: flags.accumulateBatches,
    clipNorm: flags.clipNorm,
    augment: flags.augment === false ? false : undefined,
    checkpointEvery: flags.checkpointEvery,
    keepCheckpoints: flags.keepCheckpoints,
    checkpointMinutes: flags.checkpointMinutes,
    optimizer,
    schedule,
  });
  return given({ data: dataSettings(flags), training });
}

/** The data source that the flags tell of: only what was given. */
export function dataSettings(flags: DataFlags): Settings | undefined {
  const { data, imageSize, onBroken, decoders, limitTrain, limitTest } = flags;
  return givenOrNothing({ ...data, imageSize, onBroken, decoders, limitTrain, limitTest });
}
