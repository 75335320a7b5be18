// Choices that fail in silence, reported before a training starts.
import type { z } from "zod";
import type { Detector } from "../api/detection/detector.js";
import type { Model } from "../api/model.js";
import { listed } from "../config/nearest-name.js";
import type { Notice } from "../config/schemas/fit-event.js";
import { type Term, termsOf } from "../config/schemas/method.js";
import type { ModelInfo } from "../config/schemas/model.js";
import { MultiStepSchedule } from "../config/schemas/training.js";
import { addon } from "../native.js";
import type { FitPlan } from "./plan.js";

/** The image sizes of all classifiers. */
type KnownSizes = Readonly<Record<string, ModelInfo["imageSize"]>>;

/** The parts of a training that its notices depend on. */
export type NoticePlan = Pick<FitPlan, "training" | "length" | "model" | "distiller" | "data">;

/** One line for each choice that lets a training fail without an error, or that has no effect. */
export function choiceNotices(plan: NoticePlan): Notice[] {
  const notices: Notice[] = [
    ...scheduleNotices(plan),
    ...(plan.distiller === undefined ? [] : methodNotices(termsOf(plan.distiller.method), plan.length.epochs)),
    ...optimizerNotices(plan),
  ];
  const networks = [plan.model, ...(plan.distiller === undefined ? [] : [plan.distiller.teacher])];
  const known = addon().listImageSizes();
  for (const network of new Map(networks.map((each) => [each.name, each])).values())
    notices.push(...sizeNotices(network, known, plan));
  notices.push(...classNotices(plan, known), ...roleNotices(plan));
  return notices;
}

function notice(topic: Notice["topic"], message: string): Notice[] {
  return [{ topic, message }];
}

function scheduleNotices({ training: { schedule }, length }: NoticePlan): Notice[] {
  const { epochs, steps, stepsPerEpoch } = length;
  const trained = counted(epochs, "epoch");
  const warmupSteps = schedule.warmupSteps ?? schedule.warmupEpochs * stepsPerEpoch;
  const isInSteps = schedule.warmupSteps !== undefined;
  const warmup = warmupSteps < steps ? [] :
    notice("schedule",
      `the learning rate rises over ${isInSteps ? counted(warmupSteps, "step") : counted(schedule.warmupEpochs, "epoch")}, but the training has ${isInSteps ? counted(steps, "step") : trained}: it never reaches the full rate. Shorten the warm-up (${isInSteps ? "schedule.warmupSteps, --lr-warmup-steps" : "schedule.warmupEpochs, --lr-warmup-epochs"}), or train longer.`);
  return [...warmup, ...(schedule.kind === "multi-step" ? milestoneNotices(schedule, length) : [])];
}

function milestoneNotices({ milestones, milestoneSteps = [], factor }: z.infer<typeof MultiStepSchedule>,
  { epochs, steps }: NoticePlan["length"]): Notice[] {
  // The rate falls after a milestone's epoch, of which the last one has none behind it.
  const late = milestones.filter((milestone) => milestone >= epochs - 1);
  const unreachedSteps = milestoneSteps.filter((step) => step >= steps);
  const falls = milestones.length + milestoneSteps.length - late.length - unreachedSteps.length;
  // Milestones of the default are not the user's choice where steps are given instead.
  const unreached = milestoneSteps.length > 0 && isDefault(milestones) ? [] : late;
  if (factor >= 1 && falls > 0) {
    const change = factor > 1 ? `grows by a factor of ${factor}` : "stays the same";
    return notice("schedule",
      `the learning rate ${change} at each milestone. Pass a factor below 1 (schedule.factor, --lr-factor).`);
  }
  if (unreached.length + unreachedSteps.length === 0) return [];
  const [values, noun, fix, duration, last] = unreached.length > 0
    ? [unreached, "milestone", "schedule.milestones, --milestones", counted(epochs, "epoch"), epochs - 2] as const
    : [unreachedSteps, "milestone step", "schedule.milestoneSteps, --milestone-steps", counted(steps, "step"),
      steps - 1] as const;
  const are = values.length === 1 ? `${noun} ${values.join("")} is` : `${noun}s ${listedAnd(values)} are`;
  const effect = falls === 0 ? "never falls" : falls === 1 ? "falls only once" : `falls only ${falls} times`;
  const other = "another schedule such as cosine (--schedule cosine)";
  const remedy = last < 0 ? `Train longer, or choose ${other}.`
    : `Choose earlier ones, ${last} at most (${fix}), or ${other}.`;
  return notice("schedule",
    `${are} not reached in ${duration}, counted from 0: the learning rate ${effect}. ${remedy}`);
}

function isDefault(milestones: readonly number[]): boolean {
  const standard = MultiStepSchedule.parse({ kind: "multi-step" }).milestones;
  return JSON.stringify(milestones) === JSON.stringify(standard);
}

/** Distillation that counts for nothing, or never in full. */
function methodNotices(terms: readonly Term[], epochs: number): Notice[] {
  return terms.flatMap(({ kind, weight, warmupEpochs, warmupFrom }): Notice[] => {
    if (weight === 0) {
      return notice("method",
        `the method ${kind} has weight 0: it has no effect. Pass another one (method.weight, --weight).`);
    }
    const share = (epochs - 1 + warmupFrom) / warmupEpochs;
    if (warmupEpochs === 0 || (warmupEpochs <= epochs && share > 0)) return [];
    const effect = share === 0 ? "it has no effect in this training"
      : `it reaches ${Math.round(100 * share)} % of its weight of ${weight}`;
    return notice("method",
      `the weight of ${kind} rises over ${counted(warmupEpochs, "epoch")}, but the training has ${counted(epochs, "epoch")}: ${effect}. Shorten the warm-up (method.warmupEpochs, --warmup-epochs), or train longer.`);
  });
}

/** Of ShuffleNet and MobileNet students for CIFAR, in batches of 128; METHOD: "lr 0.02 for any such student". */
const LOW_RATE = { rate: 0.02, batch: 128 } as const;

/** ResNets on ImageNet have a rate of 0.1 in batches of 256, larger in proportion; ten times is too high. */
const LINEAR_BATCH = 256;

/** Published trainings with SGD have 1e-4 to 5e-4; recipes of AdamW, which applies it otherwise, have 0.05. */
const MOST_DECAY = 0.02;

function optimizerNotices(
  { training: { optimizer, batchSize, accumulateBatches }, model, data }: NoticePlan,
): Notice[] {
  const notices: Notice[] = [];
  const { learningRate, weightDecay } = optimizer;
  const images = batchSize * accumulateBatches;
  const highest = Math.max(1, images / LINEAR_BATCH);
  if (learningRate > highest) {
    notices.push(
      ...notice("learning-rate",
        `a learning rate of ${learningRate} is far above those of published trainings with SGD, 0.01 to 0.1 in batches of up to ${LINEAR_BATCH}: losses usually grow without bound. Pass a lower one (optimizer.learningRate, --learning-rate).`),
    );
  }
  const most = LOW_RATE.rate * Math.max(1, images / LOW_RATE.batch);
  if (/^(?:shufflenet|mobilenet)/.test(model.name) && largestSide(data) <= SMALL && learningRate <= highest &&
    learningRate > most * (1 + 1e-9)) {
    notices.push(
      ...notice("learning-rate",
        `a learning rate of ${learningRate} is above the paper's for ShuffleNet and MobileNet students, ${LOW_RATE.rate} in batches of ${LOW_RATE.batch}: ${model.name} learns worse by it. Pass a lower one (optimizer.learningRate, --learning-rate ${LOW_RATE.rate}).`),
    );
  }
  if (weightDecay >= MOST_DECAY) {
    notices.push(
      ...notice("weight-decay",
        `a weight decay of ${weightDecay} is that of AdamW: SGD adds it to the gradient, and published trainings have 1e-4 to 5e-4. Pass a lower one (optimizer.weightDecay, --weight-decay).`),
    );
  }
  if (batchSize > data.train.size) {
    notices.push(
      ...notice("batch-size",
        `batches of ${batchSize} are larger than the training set: each epoch is one step of ${counted(data.train.size, "image")}. Pass a smaller one (batchSize, --batch-size).`),
    );
  }
  return notices;
}

/** Sides in pixels: networks for CIFAR see images of 32, those for ImageNet of 224. */
const SMALL = 64;
const LARGE = 128;

/** Networks on images of another size than those that they were made for. */
function sizeNotices({ name }: Model | Detector, known: KnownSizes, { data }: NoticePlan): Notice[] {
  const own = known[name];
  if (own === undefined) return [];
  const made = Math.max(...own);
  const [, height, width] = data.train.imageShape;
  const about = `${name} was made for images of ${made}×${made} pixels, the data have ${height}×${width}`;
  if (made >= LARGE && largestSide(data) <= SMALL) {
    const like = [`${name}-cifar`, `${name}-half`].find((other) => other in known) ?? "resnet20";
    return notice("image-size",
      `${about}: its first layers reduce them so far that little is left to see. Take a network for small images, such as ${like}.`);
  }
  if (made > SMALL || Math.min(height, width) < LARGE) return [];
  return notice("image-size",
    `${about}: its maps stay large, and a step takes ${Math.round((height * width) / (made * made))} times as long. Take a network for large images, such as resnet18, or smaller images (data.imageSize, --image-size).`);
}

function largestSide({ train: { imageShape: [, height, width] } }: NoticePlan["data"]): number {
  return Math.max(height, width);
}

/** A classifier that was created with more classes than the data have. */
function classNotices({ model, data }: NoticePlan, known: KnownSizes): Notice[] {
  if (!(model.name in known) || model.numClasses <= data.numClasses) return [];
  return notice("classes",
    `${model.name} has ${model.numClasses} classes, the data have ${data.numClasses}: the others are never right. Create it with numClasses: ${data.numClasses}.`);
}

/** So many times as many parameters as its teacher has no student of a paper. */
const SWAPPED = 2;

function roleNotices({ distiller }: NoticePlan): Notice[] {
  if (distiller === undefined) return [];
  const { teacher, student } = distiller;
  const times = student.parameterCount() / teacher.parameterCount();
  if (times < SWAPPED) return [];
  return notice("method",
    `the student ${student.name} has ${times.toFixed(1)} times the parameters of its teacher ${teacher.name}. Exchange them if they were swapped.`);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function listedAnd(values: readonly number[]): string {
  return listed(values.map(String)).replace(/ or (?=[^ ]*$)/, " and ");
}
