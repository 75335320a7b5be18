import { namedValue, primaryMetric, type FitEvent, type TaskInfo } from "../../index.js";
import { formatCount, formatDuration, formatLoss, formatMetric } from "./format.js";

export type EventOf<Type extends FitEvent["type"]> = Extract<FitEvent, { type: Type }>;
export type EpochEvent = EventOf<"epoch">;

interface Column {
  readonly head: string;
  readonly width: number;
  readonly value: (event: EpochEvent) => string;
}

/** The properties of a run that decide how it is shown. */
export type RunShape = Pick<EventOf<"start">, "task" | "taskInfo" | "terms">;

/** A sum of more terms than this is shown as one figure, so that a row fits on a line. */
const MOST_TERMS = 3;

const EPOCH: Column = { head: "epoch", width: 9, value: ({ epoch, epochs }) => `${epoch + 1}/${epochs}` };
const LOSS: Column = { head: "loss", width: 9, value: ({ train }) => formatLoss(train.losses.total) };

const DISTILLATION: readonly Column[] = [
  { head: "distill", width: 9, value: ({ train }) => formatLoss(train.losses.distillation) },
  { head: "weight", width: 7, value: ({ train }) => train.losses.distillationWeight.toFixed(2) },
];

const SPEED: readonly Column[] = [
  { head: "rate", width: 9, value: ({ learningRate }) => learningRate.toPrecision(3) },
  { head: "images/s", width: 9, value: ({ train }) => train.imagesPerSecond.toFixed(0) },
  { head: "ETA", width: 8,
    value: ({ epoch, epochs, etaSeconds }) => (epoch + 1 === epochs ? "-" : formatDuration(etaSeconds)) },
];

/** The losses of the task; their sum is the whole loss of a network without a teacher. */
function taskColumns({ losses }: TaskInfo): readonly Column[] {
  return losses.map(({ name, label }) => ({ head: label, width: Math.max(9, label.length + 2),
    value: ({ train }) => formatLoss(namedValue(train.losses, name)) })
  );
}

/** The metrics of training and test images, and the best. One without a unit is a loss, which has no room. */
function resultColumns(taskInfo: TaskInfo): readonly Column[] {
  const { metrics, trainingMetric } = taskInfo;
  const primary = primaryMetric(taskInfo);
  const head = (text: string, { unit } = primary): { head: string; width: number } => {
    const full = unit === "" ? text : `${text} ${unit}`;
    return { head: full, width: Math.max(8, full.length + 1) };
  };
  const others = metrics.filter(({ name, unit }) => name !== primary.name && unit !== "");
  return [
    ...(trainingMetric === null ? []
      : [{ ...head("train"),
        value: ({ train }: EpochEvent) => formatMetric(primary, namedValue(train, trainingMetric)) }]),
    { ...head("test"), value: ({ test }) => formatMetric(primary, namedValue(test, primary.name)) },
    ...others.map((metric) => ({ ...head(metric.label, metric),
      value: ({ test }: EpochEvent) => formatMetric(metric, namedValue(test, metric.name)) })
    ),
    { ...head("best"),
      value: ({ best, isBest }) => `${formatMetric(primary, namedValue(best, primary.name))}${isBest ? "*" : " "}` },
  ];
}

const showsTerms = (count: number): boolean => count > 1 && count <= MOST_TERMS;

/** The terms of a sum as they add to the task's losses; of a single method its loss and its weight. */
function distillationColumns({ terms }: RunShape): readonly Column[] {
  if (!showsTerms(terms.length)) return DISTILLATION;
  return terms.map((kind, index) => ({
    head: `+ ${kind}`,
    width: Math.max(9, kind.length + 2),
    value: ({ train }) => {
      const term = train.losses.terms[index];
      return term === undefined ? "" : formatLoss(term.weight * term.loss);
    },
  }));
}

function columns(run: RunShape): readonly Column[] {
  const { task, taskInfo } = run;
  const losses = task === "train" && taskInfo.losses.length === 1 ? [] : taskColumns(taskInfo);
  return [EPOCH, LOSS, ...losses, ...(task === "train" ? [] : distillationColumns(run)), ...resultColumns(taskInfo),
    ...SPEED];
}

export function epochHead(run: RunShape): string {
  return columns(run).map(({ head, width }) => head.padStart(width)).join(" ");
}

export function epochRow(run: RunShape, event: EpochEvent): string {
  return columns(run).map(({ width, value }) => value(event).padStart(width)).join(" ");
}

export function progressText({ task, taskInfo }: RunShape, event: EventOf<"progress">): string {
  const { total, distillation, distillationWeight, terms } = event.losses;
  const shown = showsTerms(terms.length) ? terms
    : [{ kind: "distill", weight: distillationWeight, loss: distillation }];
  const own = taskInfo.losses.map(({ name, label }) => `${label} ${formatLoss(namedValue(event.losses, name))}`);
  const sum = [...own, ...shown.map(({ kind, weight, loss }) => `${weight.toFixed(2)} × ${kind} ${formatLoss(loss)}`)];
  const parts = task === "distill" ? ` (${sum.join(" + ")})` : "";
  return `loss ${formatLoss(total)}${parts}  ${event.imagesPerSecond.toFixed(0)} images/s  ETA ${formatDuration(event.etaSeconds)}`;
}

export function startText(event: EventOf<"start">): string {
  const { task, epochs, trainSamples, testSamples, device, processes, parameters, trainingOnlyParameters } = event;
  const extra = trainingOnlyParameters > 0 ? ` (+ ${formatCount(trainingOnlyParameters)} in training only)` : "";
  const together = processes > 1 ? `, in ${processes} processes` : "";
  return `${task === "distill" ? "distilling" : "training"} ${formatCount(parameters)} parameters${extra} on ${device}${together}: ` +
    `${epochs} epoch${epochs === 1 ? "" : "s"}, ${formatCount(trainSamples)} training and ${formatCount(testSamples)} test images`;
}
