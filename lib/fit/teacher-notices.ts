// Wrong weights of a teacher, recognized by its results before a student learns from it.
import { metricText, namedValue, primaryMetric } from "../api/task.js";
import { listPresets } from "../config/presets/index.js";
import type { Notice } from "../config/schemas/fit-event.js";
import type { Preset, PublishedResults } from "../config/schemas/preset.js";
import type { TaskInfo } from "../config/schemas/task.js";

/** A teacher's results, and what they are judged by. */
export interface TeacherResult {
  readonly name: string;
  readonly taskInfo: TaskInfo;
  /** Its samples, and the metrics of its task. */
  readonly test: { readonly samples: number; readonly [metric: string]: unknown };
  readonly data: { readonly kind: string; readonly numClasses: number };
  /** The preset of the training, if it has one. */
  readonly preset?: string | undefined;
}

/** Percentage points below the published result that are no matter of chance. */
const FAR_BELOW = 5;

/** Deviations of a proportion that are a matter of chance. */
const DEVIATIONS = 3;

const CHECK =
  "Check that its weights are trained, and that the classes, their order and the normalization are those of the data.";

/** At most one line: a teacher that guesses, or that is far worse than published. */
export function teacherNotices(result: TeacherResult): Notice[] {
  const { name, taskInfo, test, data } = result;
  const metric = primaryMetric(taskInfo);
  const value = namedValue(test, metric.name);
  // COCO's rules give -1 where there is nothing to measure.
  if (value < 0) return [];
  const shown = `${metric.title} of ${metricText(metric, value, 1)}`;
  const isShare = metric.unit === "%";
  const chance = taskInfo.name === "classification" ? 1 / data.numClasses : 0;
  if (isShare ? value / 100 <= guessedBelow(chance, test.samples) : value === 0) {
    const guess = chance === 0 ? "it finds nothing"
      : `guessing has ${metricText(metric, 100 * chance, 1)}`;
    return [{ topic: "teacher",
      message: `the teacher ${name} has a ${shown}: ${guess}, and a student learns nothing from it. ${CHECK}` }];
  }
  const published = publishedResult(result);
  if (published === undefined) return [];
  const percent = isShare ? value : 100 * value;
  const share = published.results.teacher / 100;
  const margin = Math.max(FAR_BELOW, DEVIATIONS * 100 * deviation(share, test.samples));
  if (percent >= published.results.teacher - margin) return [];
  const reference = isShare ? metricText(metric, published.results.teacher, 1)
    : metricText(metric, share, 1);
  return [{ topic: "teacher",
    message:
      `the teacher ${name} has a ${shown}, far below the ${reference} of the preset ${published.preset}. ${CHECK}` }];
}

/** The share of right answers up to which a classifier may as well be guessing. */
function guessedBelow(chance: number, samples: number): number {
  return Math.min((1 + chance) / 2,
    Math.max(Math.min(2 * chance, chance + 0.1), chance + 2 * deviation(chance, samples)));
}

/** Standard deviation of a proportion over so many images. */
function deviation(share: number, samples: number): number {
  return Math.sqrt((share * (1 - share)) / Math.max(1, samples));
}

const CIFAR100_CLASSES = 100;

/** Results of this teacher on these data, of the training's own preset or, on CIFAR-100, of any. */
function publishedResult(
  { name, taskInfo, data, preset }: TeacherResult,
): { readonly preset: string; readonly results: PublishedResults } | undefined {
  const isOf = ({ teacher, published }: Preset): boolean =>
    teacher === name && published !== undefined && METRICS[published.metric] === taskInfo.primaryMetric;
  const isCifar100 = data.kind === "cifar100" && data.numClasses === CIFAR100_CLASSES;
  const found = listPresets().find((each) => each.name === preset && isOf(each)) ??
    (isCifar100 ? listPresets().find((each) => each.dataset === "cifar100" && isOf(each)) : undefined);
  return found?.published === undefined ? undefined : { preset: found.name, results: found.published };
}

/** The names of the metrics that presets quote. */
const METRICS: Readonly<Record<PublishedResults["metric"], string>> = { "top-1": "top1", "box AP": "ap",
  "mask AP": "maskAp" };
