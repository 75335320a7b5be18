// A training step and a detection of Faster R-CNN and Mask R-CNN with ResNet-50, here and in torchvision, eager and
// with compiled networks: all take turns in one run, from the same weights, images and objects.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { wholeNumber } from "./support/arguments.mjs";
import { Baseline } from "./support/baseline.mjs";
import { describeMachine } from "./support/machine.mjs";
import { drawData, prepareOurs } from "./support/our-detector.mjs";
import { keepResults } from "./support/results.mjs";
import { spreadMs } from "./support/statistics.mjs";
import { describeRun, table } from "./support/tables.mjs";

const SCRIPT = fileURLToPath(new URL("detection_baseline.py", import.meta.url));
const MEMORY = fileURLToPath(new URL("detection-memory.mjs", import.meta.url));
/** So low that weights, proposals and objects stay alike on all sides. */
const LEARNING_RATE = 1e-6;
const WARM_UP = 2;
const CALLS = ["step", "detect"];
const OURS = "reviewkd";

const flags = new Command("npm run bench:detection --")
  .description("Measures training steps and detections here and in torchvision, side by side.")
  .option("--models <list>", "with commas between", (text) => text.split(","), ["faster-rcnn", "mask-rcnn"])
  .option("--batch <n>", "images of a step", wholeNumber, 2)
  .option("--size <n>", "sides of the images", wholeNumber, 512)
  .option("--rounds <n>", "steps and detections per contender", wholeNumber, 7)
  .option("--threads <n>", "threads per contender", wholeNumber, cpus().length)
  .option("--no-compiled", "omit torch.compile")
  .option("--no-baselines", "omit torchvision, except for the weights")
  .option("--no-memory", "omit the peak memory")
  .option("--write <name>", "write the figures to bench/results/NAME.json and the tables to NAME-tables.md")
  .addHelpText("after", "\nNeeds a Python with torchvision: REVIEWKD_BENCH_PYTHON, or python3.")
  .parse().opts();
const progress = (line) => process.stderr.write(`bench: ${line}\n`);
const startBaseline = () => new Baseline(process.env.REVIEWKD_BENCH_PYTHON, SCRIPT, "torchvision");
const { threads } = flags;

/** Seconds of every contender's calls, in turns. */
async function measure(setting, baseline) {
  const styles = !flags.baselines ? [] : flags.compiled ? ["torchvision", "torchvision, compiled"] : ["torchvision"];
  const contenders = new Map();
  for (const name of styles) {
    await baseline.ask("prepare", { ...setting, name, compiled: name.endsWith("compiled") });
    contenders.set(name, (call) => baseline.ask(call, { name }));
  }
  const ours = await prepareOurs(setting);
  contenders.set(OURS, (call) => ours[call]());
  const results = {};
  for (const call of CALLS) {
    const answers = Object.fromEntries([...contenders.keys()].map((name) => [name, []]));
    for (let round = -WARM_UP; round < flags.rounds; ++round) {
      for (const [name, run] of contenders) {
        const answer = await run(call);
        progress(`${setting.kind}: ${call}: ${name}: ${answer[call].toFixed(3)} s${round < 0 ? " (warm-up)" : ""}`);
        if (round >= 0) answers[name].push(answer);
      }
    }
    for (const [name, list] of Object.entries(answers)) {
      const parts = Object.keys(list[0]).filter((part) => typeof list[0][part] === "number");
      results[name] ??= {};
      results[name][call] = Object.fromEntries(parts.map((part) => [part, spreadMs(list.map((entry) => entry[part]))]));
      results[name][call].first = list[0].losses ?? list[0].found;
    }
  }
  for (const name of styles) await baseline.ask("drop", { name });
  ours.dispose();
  return results;
}

/** Bytes that each call adds at most, in processes of their own. */
async function measureMemory(setting, directory) {
  const memory = {};
  for (const call of CALLS) {
    const path = join(directory, "setting.json");
    writeFileSync(path, JSON.stringify({ ...setting, call }));
    progress(`${setting.kind}: memory of a ${call}`);
    memory[call] = { [OURS]: JSON.parse(execFileSync(process.execPath, [MEMORY, path], { encoding: "utf8" })).bytes };
    if (!flags.baselines) continue;
    const baseline = startBaseline();
    memory[call].torchvision = (await baseline.ask("memory", { ...setting, call, compiled: false })).bytes;
    baseline.close();
  }
  return memory;
}

function tablesOf({ results, memory }, kind) {
  const rows = CALLS.flatMap((call) => {
    const ours = results[OURS][call];
    return Object.entries(results).map(([name, { [call]: theirs }]) => {
      const { median, lowest, highest } = theirs[call];
      const bytes = memory?.[call][name];
      return [call, name, median.toFixed(0), `${lowest.toFixed(0)} … ${highest.toFixed(0)}`,
        `${(median / ours[call].median).toFixed(2)}×`, theirs.processor.median.toFixed(0),
        `${(theirs.processor.median / ours.processor.median).toFixed(2)}×`,
        bytes === undefined ? "" : (bytes / 2 ** 20).toFixed(0)];
    });
  });
  const head = ["", "", "ms (median)", "lowest … highest", "of ours", "processor time, ms", "of ours",
    "peak memory, MiB"];
  return `### ${kind}\n\n${table(head, rows)}`;
}

const machine = await describeMachine();
const directory = mkdtempSync(join(tmpdir(), "reviewkd-detection-"));
const baseline = startBaseline();
try {
  machine.baseline = await baseline.ask("describe", { threads });
  const command = `npm run bench:detection -- ${process.argv.slice(2).join(" ")}`.trim();
  const report = { command, machine, threads, rounds: flags.rounds, models: {} };
  for (const kind of flags.models) {
    const paths = { images: join(directory, "images.raw"), weights: join(directory, `${kind}.pth`) };
    const shared = { kind, batch: flags.batch, size: flags.size, threads, learningRate: LEARNING_RATE, ...paths };
    await baseline.ask("weights", { ...shared, path: paths.weights });
    const setting = { ...shared, targets: drawData(shared) };
    const results = await measure(setting, baseline);
    report.models[kind] = { results, memory: flags.memory ? await measureMemory(setting, directory) : undefined };
  }
  const tables = [
    `${describeRun(report)}; torchvision ${machine.baseline.torchvision}, ${threads} threads, batch ${flags.batch}, ${flags.size}×${flags.size}, ${flags.rounds} rounds.`,
    ...Object.entries(report.models).map(([kind, model]) => tablesOf(model, kind)),
  ].join("\n\n");
  console.log(tables);
  if (flags.write !== undefined) keepResults(flags.write, report, { "-tables.md": `${tables}\n` });
} finally {
  baseline.close();
  rmSync(directory, { recursive: true, force: true });
}
