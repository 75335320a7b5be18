import { existsSync } from "node:fs";
import { expect } from "chai";
import { MODES, stepsOf, within, type Context, type Mode } from "../../../scripts/gpu/device/steps.mjs";

describe("the modes of a GPU machine", () => {
  const context: Context = { node: "node", work: "/scratch", out: "/out", device: "cuda", architectures: "90",
    pair: "resnet56-resnet20", epochs: 240 };
  const modes = Object.keys(MODES) as Mode[];

  it("list steps that exist, each with a limit and with programs that exist", () => {
    for (const mode of modes) {
      const steps = stepsOf(context, mode);
      for (const name of MODES[mode].steps) {
        const step = steps[name];
        expect(step?.limit, name).to.be.greaterThan(0);
        for (const [program, ...words] of step!.commands) {
          const script = words.find((word) => /\.(?:mjs|js|ts|py)$/.test(word));
          if (program === "node" || program === "python3")
            expect(existsSync(script!), `${name}: ${script}`).to.equal(true);
        }
      }
    }
  });

  it("return at most eight files: the log, the table, the results and one table per benchmark", () => {
    const tables = MODES.proof.steps.filter((name) =>
      stepsOf(context, "proof")[name]!.commands.some(([program, file]) => program === "cp" && file!.endsWith(".md"))
    );
    expect(tables).to.deep.equal(["bench", "compiled", "bench-large", "autotune"]);
    expect(3 + tables.length).to.be.at.most(8);
  });

  it("need a device for all measurements, and a profiler or sanitizer if they use one", () => {
    const steps = stepsOf(context, "proof");
    const needing = (need: string): string[] => MODES.proof.steps.filter((name) => steps[name]!.needs?.includes(need));
    expect(MODES.proof.steps.filter((name) => !needing("device").includes(name))).to.deep.equal(["scenarios", "build",
      "speed"]);
    expect(needing("ncu")).to.deep.equal(["profile"]);
    expect(needing("compute-sanitizer")).to.deep.equal(["memcheck", "racecheck"]);
  });

  it("leave a training some seconds to save its weights before its limit", () => {
    const { limit, commands } = within({ limit: Infinity, commands: [["train", "teacher"], ["cp", "a", "b"]] }, 100);
    expect(limit).to.equal(100);
    expect(commands).to.deep.equal([["train", "teacher", "--seconds", "88"], ["cp", "a", "b"]]);
  });
});
