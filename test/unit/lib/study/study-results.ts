import type { ConditionResult, Spread, StudyConfigInput, StudyResult } from "../../../../lib/config/schemas/study.js";
import { conditionsOf } from "../../../../lib/study/plan/conditions.js";
import { parseStudyConfig } from "../../../../lib/study/plan/study-config.js";
import { summarize } from "../../../../lib/study/results/summary.js";
import { CLASSIFICATION } from "../../../support/tasks.js";

const STAGES = { student: ["layer1", "layer2"], teacher: ["block1", "block2"] };

const SYSTEM: StudyResult["system"] = {
  version: "0.0.0",
  node: "v20.0.0",
  platform: "linux-x64",
  threads: 1,
  libtorch: { version: "2.14.1", cudaBuild: false },
  cuda: { available: false, devices: [], reason: null, plugin: null },
  cpu: { model: "a processor", cores: 1, instructionSets: [], capability: "AVX2" },
};

/** A study's configuration with the pair of the published ablation. */
export function configOf(kind: StudyConfigInput["kind"], overrides: object = {}): ReturnType<typeof parseStudyConfig> {
  const input = { kind, teacher: { name: "resnet56" }, student: { name: "resnet20" },
    ...overrides } as StudyConfigInput;
  return parseStudyConfig(input);
}

/** Results of a study without cells, with conditions from `figures`. */
export function resultOf(
  kind: StudyConfigInput["kind"],
  figures: (condition: ConditionResult, index: number) => Partial<ConditionResult>,
  overrides: Partial<StudyResult> = {},
  settings: object = {},
): StudyResult {
  const config = configOf(kind, settings);
  const conditions = conditionsOf(config, STAGES).map((condition, index) => {
    const empty = summarize(condition, [], { published: true, taskInfo: CLASSIFICATION });
    return { ...empty, ...figures(empty, index) };
  });
  return { kind, directory: "runs/study", config, system: SYSTEM, taskInfo: CLASSIFICATION, teacherMetric: null,
    stages: STAGES, cells: [], conditions, ...overrides };
}

export function spread(mean: number, deviation: number | null = null): Spread {
  return { mean, deviation };
}
