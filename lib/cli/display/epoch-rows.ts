import type { FitEvent } from "../../index.js";
import { formatDuration, formatLoss, formatPercent } from "./format.js";

type EventOf<Type extends FitEvent["type"]> = Extract<FitEvent, { type: Type }>;
export type StartEvent = EventOf<"start">;
export type ProgressEvent = EventOf<"progress">;
export type EpochEvent = EventOf<"epoch">;

interface Column {
  readonly head: string;
  readonly width: number;
  readonly value: (event: EpochEvent) => string;
}

/** The properties of a run that determine its display. */
export type RunShape = Pick<StartEvent, "task" | "terms">;

/** A sum of more terms than this is shown as one figure, so that a row fits on a line. */
const MOST_TERMS = 3;

const EPOCH: Column = { head: "epoch", width: 9, value: ({ epoch, epochs }) => `${epoch + 1}/${epochs}` };
const LOSS: Column = { head: "loss", width: 9, value: ({ train }) => formatLoss(train.losses.total) };
const CROSS_ENTROPY: Column = { head: "ce", width: 9, value: ({ train }) => formatLoss(train.losses.crossEntropy) };

const DISTILLATION: readonly Column[] = [
  { head: "distill", width: 9, value: ({ train }) => formatLoss(train.losses.distillation) },
  { head: "weight", width: 7, value: ({ train }) => train.losses.distillationWeight.toFixed(2) },
];

const RESULTS: readonly Column[] = [
  { head: "train %", width: 8, value: ({ train }) => formatPercent(train.top1) },
  { head: "test %", width: 8, value: ({ test }) => formatPercent(test.top1) },
  { head: "top-5 %", width: 8, value: ({ test }) => formatPercent(test.top5) },
  { head: "best %", width: 8, value: ({ best, isBest }) => `${formatPercent(best.top1)}${isBest ? "*" : " "}` },
  { head: "rate", width: 9, value: ({ learningRate }) => learningRate.toPrecision(3) },
  { head: "images/s", width: 9, value: ({ train }) => train.imagesPerSecond.toFixed(0) },
  { head: "ETA", width: 8, value: ({ epoch, epochs, etaSeconds }) => (epoch + 1 === epochs ? "-" : formatDuration(etaSeconds)) },
];

const showsTerms = (count: number): boolean => count > 1 && count <= MOST_TERMS;

/** Columns for the weighted terms of a sum, or for the loss and weight of a single method. */
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
  return run.task === "train" ? [EPOCH, LOSS, ...RESULTS] : [EPOCH, LOSS, CROSS_ENTROPY, ...distillationColumns(run), ...RESULTS];
}

/** The header line above the rows of epochs. */
export function epochHead(run: RunShape): string {
  return columns(run).map(({ head, width }) => head.padStart(width)).join(" ");
}

/** One epoch in the columns of {@link epochHead}. */
export function epochRow(run: RunShape, event: EpochEvent): string {
  return columns(run).map(({ width, value }) => value(event).padStart(width)).join(" ");
}

/** Loss terms, speed and remaining time of a running epoch. */
export function progressText({ task }: RunShape, event: ProgressEvent): string {
  const { total, crossEntropy, distillation, distillationWeight, terms } = event.losses;
  const shown = showsTerms(terms.length) ? terms : [{ kind: "distill", weight: distillationWeight, loss: distillation }];
  const sum = [`ce ${formatLoss(crossEntropy)}`, ...shown.map(({ kind, weight, loss }) => `${weight.toFixed(2)} × ${kind} ${formatLoss(loss)}`)];
  const parts = task === "distill" ? ` (${sum.join(" + ")})` : "";
  return `loss ${formatLoss(total)}${parts}  ${event.imagesPerSecond.toFixed(0)} images/s  ETA ${formatDuration(event.etaSeconds)}`;
}

/** Summary of the training that starts, in one line. */
export function startText(event: StartEvent): string {
  const { task, epochs, trainSamples, testSamples, device, parameters, trainingOnlyParameters } = event;
  const extra = trainingOnlyParameters > 0 ? ` (+ ${trainingOnlyParameters.toLocaleString("en-US")} in training only)` : "";
  return `${task === "distill" ? "distilling" : "training"} ${parameters.toLocaleString("en-US")} parameters${extra} on ${device}: ` +
    `${epochs} epochs, ${trainSamples.toLocaleString("en-US")} training and ${testSamples.toLocaleString("en-US")} test images`;
}
