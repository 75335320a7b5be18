// One training step of Knowledge Review, here and in PyTorch, side by side: both take turns, step by step, in one run.
// Usage: npm run bench -- [--pair resnet56-resnet20] [--batch 128] [--size 32] [--rounds 15] [--threads N] [--no-compiled] …; see --help
import { parseArgs } from "node:util";
import { Baseline } from "./support/baseline.mjs";
import { prepareOurs } from "./support/ours.mjs";
import { spreadMs } from "./support/statistics.mjs";

const { values: flags } = parseArgs({
  options: {
    pair: { type: "string", default: "resnet56-resnet20" },
    batch: { type: "string", default: "128" },
    size: { type: "string", default: "32" },
    classes: { type: "string", default: "100" },
    rounds: { type: "string", default: "9" },
    threads: { type: "string", default: "2" },
    styles: { type: "string", default: "published,expert,expert-bfloat16" },
    ours: { type: "string", default: "float32,bfloat16" },
  },
});
const [teacher, student] = flags.pair.split("-");
const setting = { teacher, student, batch: Number(flags.batch), size: Number(flags.size), classes: Number(flags.classes), threads: Number(flags.threads) };
const baseline = new Baseline();
const styles = flags.styles === "" ? [] : flags.styles.split(",");
const contenders = new Map();
for (const style of styles) {
  await baseline.ask("prepare", { name: style, style, ...setting });
  contenders.set(style, () => baseline.ask("step", { name: style }));
}
for (const precision of flags.ours.split(",")) {
  const ours = await prepareOurs({ ...setting, precision });
  contenders.set(`reviewkd ${precision}`, () => ours.step());
}
const seconds = new Map([...contenders.keys()].map((name) => [name, []]));
for (const step of contenders.values()) await step();
for (let round = 0; round < Number(flags.rounds); ++round) {
  for (const [name, step] of contenders) seconds.get(name).push(await step());
}
for (const [name, list] of seconds) {
  const { median, lowest, highest } = spreadMs(list.map(({ step }) => step));
  const parts = Object.keys(list[0]).filter((key) => key !== "step").map((key) => `${key} ${spreadMs(list.map((entry) => entry[key])).median.toFixed(1)}`);
  console.log(`${name.padEnd(20)} ${median.toFixed(1)} ms (${lowest.toFixed(1)} … ${highest.toFixed(1)})   ${parts.join("  ")}`);
}
console.log(await baseline.ask("rates"));
baseline.close();
process.exit(0);
