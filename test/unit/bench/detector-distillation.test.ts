import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";

const SUPPORT = join(import.meta.dirname, "../../../bench/support");

interface Round {
  readonly ours: number;
  readonly theirs: number;
}
interface Statistics {
  spreadOfRatios: (rounds: Round[], dividend: (round: Round) => number,
    divisor: (round: Round) => number) => { median: number; lowest: number; highest: number; runs: number };
}
interface Tables {
  largestDifference: (left: Record<string, number>, right: Record<string, number>) => number;
  distillationTables: (report: object, ours: string) => string[];
}
// The benchmarks are plain JavaScript without types.
const load = async <T>(path: string): Promise<T> => import(pathToFileURL(join(SUPPORT, path)).href) as Promise<T>;

describe("the benchmark of detectors' distillation", () => {
  it("divides durations of the same round", async () => {
    const { spreadOfRatios } = await load<Statistics>("statistics.mjs");
    const rounds = [{ ours: 1, theirs: 2 }, { ours: 10, theirs: 30 }, { ours: 100, theirs: 500 }];
    const ratios = spreadOfRatios(rounds, ({ theirs }) => theirs, ({ ours }) => ours);
    expect(ratios).to.include({ median: 3, lowest: 2, highest: 5, runs: 3 });
  });

  it("compares losses by name, relative to the larger one", async () => {
    const { largestDifference } = await load<Tables>("distillation-tables.mjs");
    expect(largestDifference({ box: 0, class: 2 }, { class: 2.5, box: 0 })).to.equal(0.2);
    for (const [left, right] of [[{}, {}], [{ a: 1 }, { b: 1 }], [{ a: 1, b: 1 }, { a: 1 }], [{ a: NaN }, { a: 1 }]])
      expect(largestDifference(left as Record<string, number>, right as Record<string, number>)).to.be.NaN;
  });

  it("reports what distillation adds to each part of a step", async () => {
    const { distillationTables } = await load<Tables>("distillation-tables.mjs");
    const at = (median: number): object => ({ median, lowest: median, highest: median });
    const contender = (teacher: string): object => ({
      student: { seconds: at(100), processor: at(190), student: at(40), backward: at(60) },
      teacher: { seconds: at(50), processor: at(90) },
      distill: { seconds: at(180), processor: at(350), [teacher]: at(45), student: at(40), backward: at(95) },
    });
    const tables = distillationTables({
      results: { PyTorch: contender("teacher"), reviewkd: contender("teacher") },
      ratios: { ofStudentAndTeacher: at(1.25), fasterThan: { PyTorch: at(2) },
        theirsOfStudentAndTeacher: { PyTorch: at(1.5) } },
      losses: { reviewkd: { class: 1 }, PyTorch: { class: 1 }, largestDifference: 0 },
    }, "reviewkd").join("\n\n");
    expect(tables).to.contain("| backward pass | 60 | 95 | 35 |").and.to.contain("| optimizer | – | – | 0 |");
    expect(tables).to.contain("| reviewkd | teacher's forward pass, within the step | 45 | 45 … 45 |  |");
    expect(tables).to.contain("| distillation: PyTorch / reviewkd | 2.000 |");
  });
});
