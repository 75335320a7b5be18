// A step of review distillation of Faster R-CNN compared with the student's step alone and the teacher's forward pass,
// and with the same step in PyTorch as published, eager and with compiled networks: all take turns in one run, from the
// same weights, images and objects.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { wholeNumber } from "./support/arguments.mjs";
import { Baseline } from "./support/baseline.mjs";
import { distillationTables, largestDifference } from "./support/distillation-tables.mjs";
import { describeMachine } from "./support/machine.mjs";
import { drawData, prepareOurDistillation } from "./support/our-detector.mjs";
import { keepResults } from "./support/results.mjs";
import { spreadMs, spreadOfRatios } from "./support/statistics.mjs";
import { describeRun } from "./support/tables.mjs";

const SCRIPT = fileURLToPath(new URL("detector_distillation_baseline.py", import.meta.url));
/** So low that weights, proposals and objects stay alike on all sides. */
const LEARNING_RATE = 1e-6;
/** Of the review, as published for this detector's smallest student. */
const WEIGHT = 1.2;
const WARM_UP = 2;
const CALLS = ["student", "teacher", "distill"];
const OURS = "reviewkd";
const PUBLISHED = "PyTorch, published style";
/** Relative difference of the losses of the first step beyond which both sides do not do the same work. */
const TOLERANCE = 1e-3;

const flags = new Command("npm run bench:detector-distillation --")
  .description("Measures a step of review distillation of Faster R-CNN here and in PyTorch, side by side.")
  .option("--teacher <name>", "backbone of the teacher", "resnet50")
  .option("--student <name>", "backbone of the student", "resnet18")
  .option("--batch <n>", "images of a step", wholeNumber, 2)
  .option("--size <n>", "sides of the images", wholeNumber, 512)
  .option("--rounds <n>", "calls of each kind per contender", wholeNumber, 7)
  .option("--threads <n>", "threads per contender", wholeNumber, cpus().length)
  .addOption(new Option("--precision <type>", "of forward and backward passes").choices(["float32", "bfloat16"])
    .default("float32"))
  .option("--no-compiled", "omit torch.compile")
  .option("--no-baselines", "omit PyTorch's steps; it still draws the weights and checks the losses")
  .option("--write <name>", "write the figures to bench/results/NAME.json and the tables to NAME-tables.md")
  .addHelpText("after", "\nNeeds a Python with torchvision: REVIEWKD_BENCH_PYTHON, or python3.")
  .parse().opts();
const progress = (line) => process.stderr.write(`bench: ${line}\n`);

/** Losses of a first step on both sides in float32, without random samples. Throws if they differ. */
async function compareLosses(setting, baseline) {
  const name = "all samples";
  const request = { ...setting, precision: "float32", allSamples: true };
  await baseline.ask("prepare", { ...request, name, compiled: false });
  const theirs = await baseline.ask("distill", { name });
  await baseline.ask("drop", { name });
  const training = await prepareOurDistillation(request);
  const ours = await training.distill();
  training.dispose();
  const losses = [ours, theirs].map(({ losses, levels }) => ({ ...losses,
    ...Object.fromEntries(levels.map((level, index) => [`review p${index + 2}`, level])) })
  );
  const difference = largestDifference(...losses);
  progress(`losses differ by ${difference.toExponential(1)} at most`);
  if (!(difference <= TOLERANCE)) {
    throw new Error(
      `invalid comparison: expected losses that differ by ${TOLERANCE} at most, received ${JSON.stringify(losses)}. Both sides must do the same work.`,
    );
  }
  return { [OURS]: losses[0], [PUBLISHED]: losses[1], largestDifference: difference };
}

/** The answers of all contenders to each call, round by round, in turns. */
async function measure(setting, baseline) {
  const styles = !flags.baselines ? [] : flags.compiled ? [PUBLISHED, `${PUBLISHED}, compiled`] : [PUBLISHED];
  const contenders = new Map();
  for (const name of styles) {
    await baseline.ask("prepare", { ...setting, name, compiled: name !== PUBLISHED });
    contenders.set(name, (call) => baseline.ask(call, { name }));
  }
  const ours = await prepareOurDistillation(setting);
  contenders.set(OURS, (call) => ours[call]());
  const rounds = [];
  for (let round = -WARM_UP; round < flags.rounds; ++round) {
    const answers = {};
    for (const [name, run] of contenders) {
      answers[name] = {};
      // Not measured: after another process's turn, memory and caches are cold.
      await run(CALLS[0]);
      for (const call of CALLS) {
        answers[name][call] = await run(call);
        progress(`${name}: ${call}: ${answers[name][call].seconds.toFixed(3)} s${round < 0 ? " (warm-up)" : ""}`);
      }
    }
    if (round >= 0) rounds.push(answers);
  }
  for (const name of styles) await baseline.ask("drop", { name });
  ours.dispose();
  return rounds;
}

/** Milliseconds of each call and its parts, by contender. */
function resultsOf(rounds) {
  const spreads = (name, call) => {
    const answers = rounds.map((round) => round[name][call]);
    const parts = Object.keys(answers[0]).filter((part) => typeof answers[0][part] === "number");
    return Object.fromEntries(parts.map((part) => [part, spreadMs(answers.map((answer) => answer[part]))]));
  };
  const calls = (name) => Object.fromEntries(CALLS.map((call) => [call, spreads(name, call)]));
  return Object.fromEntries(Object.keys(rounds[0]).map((name) => [name, calls(name)]));
}

/** The compared durations, divided round by round. */
function ratiosOf(rounds) {
  const seconds = (name, call) => (round) => round[name][call].seconds;
  const ours = seconds(OURS, "distill");
  // The pass within the step: no call runs the teacher's pyramid alone.
  const needed = (round) => seconds(OURS, "student")(round) + round[OURS].distill.teacher;
  const theirs = (name) => spreadOfRatios(rounds, seconds(name, "distill"), ours);
  const ofTheirs = (name) =>
    spreadOfRatios(rounds, seconds(name, "distill"), (round) =>
      seconds(name, "student")(round) + seconds(name, "teacher")(round));
  const byName = (ratio) =>
    Object.fromEntries(Object.keys(rounds[0]).filter((name) => name !== OURS).map((name) => [name, ratio(name)]));
  return { ofStudentAndTeacher: spreadOfRatios(rounds, ours, needed), fasterThan: byName(theirs),
    theirsOfStudentAndTeacher: byName(ofTheirs) };
}

const machine = await describeMachine();
const directory = mkdtempSync(join(tmpdir(), "reviewkd-detector-distillation-"));
const baseline = new Baseline(process.env.REVIEWKD_BENCH_PYTHON, SCRIPT, "torchvision");
try {
  const { threads, teacher, student, batch, size, precision } = flags;
  machine.baseline = await baseline.ask("describe", { threads });
  const inDirectory = (name) => join(directory, name);
  const shared = { kind: "faster-rcnn", teacher, student, batch, size, threads, precision, learningRate: LEARNING_RATE,
    weight: WEIGHT, images: inDirectory("images.raw"),
    weights: { teacher: inDirectory("teacher.pth"), student: inDirectory("student.pth"),
      review: inDirectory("review.pth") } };
  await baseline.ask("weights", shared);
  const setting = { ...shared, targets: drawData(shared) };
  const losses = await compareLosses(setting, baseline);
  const rounds = await measure(setting, baseline);
  const command = `npm run bench:detector-distillation -- ${process.argv.slice(2).join(" ")}`.trim();
  const report = { command, machine, threads, rounds: flags.rounds, teacher, student, batch, size, precision, losses,
    results: resultsOf(rounds), ratios: ratiosOf(rounds) };
  const tables = [
    `${describeRun(report)}; torchvision ${machine.baseline.torchvision}, ${threads} threads, Faster R-CNN ${teacher} → ${student}, batch ${batch}, ${size}×${size}, ${precision}, ${flags.rounds} rounds.`,
    ...distillationTables(report, OURS),
  ].join("\n\n");
  console.log(tables);
  if (flags.write !== undefined) keepResults(flags.write, report, { "-tables.md": `${tables}\n` });
} finally {
  baseline.close();
  rmSync(directory, { recursive: true, force: true });
}
