import type { FitEvent } from "../index.js";
import { formatDuration, formatLoss, formatPercent } from "./format.js";

type EventOf<Type extends FitEvent["type"]> = Extract<FitEvent, { type: Type }>;
export type StartEvent = EventOf<"start">;
export type ProgressEvent = EventOf<"progress">;
export type EpochEvent = EventOf<"epoch">;

interface Column {
  readonly head: string;
  readonly width: number;
  readonly distillOnly?: true;
  readonly value: (event: EpochEvent) => string;
}

const COLUMNS: readonly Column[] = [
  { head: "epoch", width: 9, value: ({ epoch, epochs }) => `${epoch + 1}/${epochs}` },
  { head: "loss", width: 9, value: ({ train }) => formatLoss(train.losses.total) },
  { head: "ce", width: 9, distillOnly: true, value: ({ train }) => formatLoss(train.losses.crossEntropy) },
  { head: "distill", width: 9, distillOnly: true, value: ({ train }) => formatLoss(train.losses.distillation) },
  { head: "weight", width: 7, distillOnly: true, value: ({ train }) => train.losses.distillationWeight.toFixed(2) },
  { head: "train %", width: 8, value: ({ train }) => formatPercent(train.top1) },
  { head: "test %", width: 8, value: ({ test }) => formatPercent(test.top1) },
  { head: "top-5 %", width: 8, value: ({ test }) => formatPercent(test.top5) },
  { head: "best %", width: 8, value: ({ best, isBest }) => `${formatPercent(best.top1)}${isBest ? "*" : " "}` },
  { head: "rate", width: 9, value: ({ learningRate }) => learningRate.toPrecision(3) },
  { head: "images/s", width: 9, value: ({ train }) => train.imagesPerSecond.toFixed(0) },
  { head: "ETA", width: 8, value: ({ epoch, epochs, etaSeconds }) => (epoch + 1 === epochs ? "-" : formatDuration(etaSeconds)) },
];

function columns(task: StartEvent["task"]): readonly Column[] {
  return task === "distill" ? COLUMNS : COLUMNS.filter((column) => column.distillOnly !== true);
}

/** The line above the epochs' rows. */
export function epochHead(task: StartEvent["task"]): string {
  return columns(task).map(({ head, width }) => head.padStart(width)).join(" ");
}

/** One epoch in the columns of {@link epochHead}. */
export function epochRow(task: StartEvent["task"], event: EpochEvent): string {
  return columns(task).map(({ width, value }) => value(event).padStart(width)).join(" ");
}

/** Loss terms, speed and remaining time of a running epoch. */
export function progressText(task: StartEvent["task"], event: ProgressEvent): string {
  const { total, crossEntropy, distillation, distillationWeight } = event.losses;
  const terms = task === "distill"
    ? ` (ce ${formatLoss(crossEntropy)} + ${distillationWeight.toFixed(2)} × distill ${formatLoss(distillation)})`
    : "";
  return `loss ${formatLoss(total)}${terms}  ${event.imagesPerSecond.toFixed(0)} images/s  ETA ${formatDuration(event.etaSeconds)}`;
}

/** What is about to be trained, in one line. */
export function startText(event: StartEvent): string {
  const { task, epochs, trainSamples, testSamples, device, parameters, trainingOnlyParameters } = event;
  const extra = trainingOnlyParameters > 0 ? ` (+ ${trainingOnlyParameters.toLocaleString("en-US")} in training only)` : "";
  return `${task === "distill" ? "distilling" : "training"} ${parameters.toLocaleString("en-US")} parameters${extra} on ${device}: ` +
    `${epochs} epochs, ${trainSamples.toLocaleString("en-US")} training and ${testSamples.toLocaleString("en-US")} test images`;
}
