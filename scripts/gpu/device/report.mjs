// The results to copy back: every log in one file, the table of steps, the results. Eight files at most.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LOG_CHARACTERS = 1_000_000;
const SHOWN_LINES = 20;
const SHOWN_CHARACTERS = 200;
/** Steps whose last lines are shown, the most important last, because the end of a terminal's output stays visible. */
const SHOWN = ["figures", "profile", "racecheck", "memcheck", "scenarios", "speed", "build", "tests", "teacher",
  "student"];

/** @param {{ runner: import("./runner.mjs").StepRunner, work: string, out: string }} options */
export function report({ runner, work, out }) {
  const names = [...new Set(runner.rows.map(({ name }) => name))];
  const logged = names.filter((name) => existsSync(runner.logOf(name)));
  const logs = new Map(logged.map((name) => [name, readFileSync(runner.logOf(name), "utf8")]));
  writeFileSync(join(out, "log.txt"),
    [...logs].map(([name, text]) => `===== ${name} =====\n${text.slice(-LOG_CHARACTERS)}\n`).join("\n"));
  copyFileSync(join(work, "steps.tsv"), join(out, "steps.tsv"));
  const results = join(work, "results");
  if (readdirSync(results).length > 0)
    spawnSync("tar", ["-czf", join(out, "results.tar.gz"), "-C", results, "."], { stdio: "inherit" });

  for (const name of SHOWN) {
    const lines = (logs.get(name) ?? "").split("\n").filter((line) => line.trim() !== "").slice(-SHOWN_LINES);
    if (lines.length > 0)
      console.log(`--- ${name}\n${lines.map((line) => line.slice(0, SHOWN_CHARACTERS)).join("\n")}`);
  }
  for (const table of readdirSync(out).filter((name) => name.endsWith(".md")))
    console.log(readFileSync(join(out, table), "utf8"));
  console.log(`\n${readFileSync(join(work, "steps.tsv"), "utf8")}`);
}
