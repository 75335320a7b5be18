import { join } from "node:path";
import { createDistiller, createModel, fit, type Dataset, type FitEvent, type Model } from "../index.js";
import type { DemoSettings } from "./options/demo-settings.js";
import { createFitReporter } from "./display/fit-reporter.js";
import { formatCount } from "./display/format.js";
import type { Output } from "./display/output.js";

export type DemoPart = "teacher" | "alone" | "distilled";

export type DemoResult = Awaited<ReturnType<typeof train>>;

interface DemoContext {
  readonly settings: DemoSettings;
  readonly data: Dataset;
  readonly seed: number;
  readonly output: Output;
  readonly signal: AbortSignal;
  /** Parent directory of the run directories; `undefined`: nothing is written. */
  readonly directory: string | undefined;
}

/** Trains a teacher, a student on labels alone, and the same student with the same initial weights and the teacher. */
export async function runDemoOnce(context: DemoContext): Promise<DemoResult[]> {
  const { settings, data, seed, output } = context;
  // A different seed, so that the teacher does not start with the student's random numbers.
  using teacher = await createModel(settings.teacher, { numClasses: data.numClasses, seed: seed + 1000 });
  output.line(`\n1. The teacher, ${describe(teacher)}, learns from the labels.`);
  const first = await train(context, "teacher", teacher, { model: teacher, ...settings.training });

  using alone = await createModel(settings.student, { numClasses: data.numClasses, seed });
  output.line(`\n2. The student, ${describe(alone)}, learns from the labels alone.`);
  const second = await train(context, "alone", alone, { model: alone, ...settings.training });

  using distilled = await createModel(settings.student, { numClasses: data.numClasses, seed });
  using distiller = await createDistiller({ teacher, student: distilled, method: settings.method, seed });
  output.line(`\n3. The same student, from the same start, learns from the labels and the teacher's features.`);
  const third = await train(context, "distilled", distilled, { distiller, ...settings.training });
  return [first, second, third];
}

function describe(model: Model): string {
  return `${model.name} with ${formatCount(model.parameterCount())} parameters`;
}

type FitOptions = Parameters<typeof fit>[0];
type Task = FitOptions extends infer Options ? Options extends unknown ? Omit<Options, "data"> : never : never;

async function train(context: DemoContext, part: DemoPart, model: Model, task: Task) {
  const { data, seed, output, signal, directory } = context;
  const reporter = createFitReporter(output, { part, seed }, { summary: false, notices: false });
  let end: Extract<FitEvent, { type: "end" }> | undefined;
  try {
    const runDirectory = directory === undefined ? undefined : join(directory, `${part}-${seed}`);
    for await (const event of fit({ ...task, data, seed, signal, runDirectory })) {
      reporter.handle(event);
      if (event.type === "end") end = event;
    }
  } finally {
    reporter.close();
  }
  if (end === undefined) throw new Error(`the training of ${part} ended without a result`);
  return { part, model: model.name, parameters: model.parameterCount(), seed, test: end.last, seconds: end.seconds };
}
